#!/usr/bin/env python3
"""How training scales from one process to two (or more) on one machine, a core each: the rate of N ranks beside N times the rate of one, and beside N
independent trainings at once, which tells what the machine itself loses when all cores work. Medians over rounds, the three taken in turn.
usage: tests/bench/scaling.py [--bin build/cpu/bin] [--config cifar100_small_liere_8.yaml] [--ranks 2] [--strong] [--batch 128] [--rounds 3] [--steps 150] [--json FILE] [key=value ...]
Each process gets one core and one thread. By default every process has the same samples per step (weak scaling: the global batch grows with the ranks, as where a
larger machine is used for a larger batch); with --strong the global batch is the same. Loaders work beside it (loader.workers=1) unless overridden.
The rate is that of the later half of the steps (metrics.jsonl), so start-up and first batches do not count."""
import argparse, json, os, shutil, socket, statistics, subprocess, sys, tempfile

root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
p = argparse.ArgumentParser(usage=__doc__.split("usage: ")[1].split("\n")[0])
p.add_argument("--bin", default=os.path.join(root, "build/cpu/bin"))
p.add_argument("--config", default="cifar100_small_liere_8.yaml")
p.add_argument("--ranks", type=int, default=2)
p.add_argument("--rounds", type=int, default=3)
p.add_argument("--steps", type=int, default=150)
p.add_argument("--strong", action="store_true")
p.add_argument("--batch", type=int, default=128, help="of one process alone")
p.add_argument("--json")
p.add_argument("overrides", nargs="*")
a = p.parse_args()
cores = sorted(os.sched_getaffinity(0))[: a.ranks]
if len(cores) < a.ranks:
    sys.exit("error: %d ranks need as many cores, this process may use %d." % (a.ranks, len(cores)))
work = tempfile.mkdtemp()
train = os.path.join(os.path.abspath(a.bin), "liere-train")


def start(name, core, extra, environment={}):
    folder = os.path.join(work, name)
    command = ["taskset", "-c", str(core), train, "--config", a.config, "--output", folder, "train.steps=%d" % a.steps, "eval.limit=1", "log.every_steps=5", "log.tensorboard=false",
               "checkpoint.background=false", "loader.workers=1", "threads=1", "device=cpu"] + extra + a.overrides
    return folder, subprocess.Popen(command, cwd=root, env=dict(os.environ, OMP_WAIT_POLICY="PASSIVE", **environment), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def start_ranks(extra):
    """Each rank on a core of its own, started as torchrun does it; rank 0 writes the run folder."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    return [start("ranks", core, extra, {"RANK": str(rank), "WORLD_SIZE": str(a.ranks), "LOCAL_RANK": str(rank), "LOCAL_WORLD_SIZE": str(a.ranks), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port})
            for rank, core in enumerate(cores)]


def rate(started):
    folder, process = started
    _, errors = process.communicate()
    if process.returncode != 0:
        sys.exit("failed with %d: %s" % (process.returncode, errors[-1500:]))
    with open(os.path.join(folder, "metrics.jsonl")) as file:
        steps = [event for event in map(json.loads, file) if event.get("event") == "train"]
    later = steps[len(steps) // 2 :]
    return statistics.median(event["samples_per_second"] for event in later)


def batch(factor):
    return ["train.batch_size=%d" % (a.batch * factor)]


alone, together, ranks = [], [], []
for _ in range(a.rounds):
    alone.append(rate(start("alone", cores[0], batch(1))))
    started = start_ranks(batch(1 if a.strong else a.ranks))
    ranks.append(rate(started[0]))
    for _, process in started[1:]:
        process.communicate()
    pair = [start("beside_%d" % i, core, batch(1)) for i, core in enumerate(cores)]
    together.append(sum(rate(one) for one in pair))
    for name in os.listdir(work):
        shutil.rmtree(os.path.join(work, name))
one, many, independent = (statistics.median(values) for values in (alone, ranks, together))
print("%s scaling, %d samples a step of one process" % ("strong" if a.strong else "weak", a.batch))
print("one process, one core          %8.1f samples/s   %s" % (one, ["%.1f" % v for v in alone]))
print("%d ranks, a core each           %8.1f             %s" % (a.ranks, many, ["%.1f" % v for v in ranks]))
print("%d independent trainings        %8.1f             %s" % (a.ranks, independent, ["%.1f" % v for v in together]))
print("efficiency beside one process: %.3f; beside independent trainings: %.3f" % (many / (a.ranks * one), many / independent))
if a.json:
    with open(a.json, "w") as file:
        json.dump({"ranks": a.ranks, "one": alone, "together": ranks, "independent": together, "efficiency": many / (a.ranks * one), "efficiency_beside_independent": many / independent}, file)
shutil.rmtree(work)
