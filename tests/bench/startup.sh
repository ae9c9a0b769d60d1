#!/bin/sh
# Start to first step: processor time (user and system) and wall-clock time of liere-train until one optimiser step is done (--dry-run=step: opens the
# data, builds the model, runs one step), 5 times.   usage: tests/bench/startup.sh DATA_ROOT [liere-train] [key=value ...]
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
if [ $# = 0 ] || [ ! -d "$1" ]; then echo "skipped: name the folder of CIFAR-100" && exit 0; fi
data=$1
shift
program=$root/build/cpu/bin/liere-train
if [ $# -ge 1 ] && [ -x "$1" ]; then
  program=$1
  shift
fi
for _ in 1 2 3 4 5; do
  python3 - "$program" --config "$root/configs/cifar100_small_liere_8.yaml" "data.root=$data" --dry-run=step "$@" <<'PY'
import resource, subprocess, sys, time
start = time.time()
subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
usage = resource.getrusage(resource.RUSAGE_CHILDREN)
print("user %.2f s, system %.2f s, together %.2f s; wall clock %.2f s" % (usage.ru_utime, usage.ru_stime, usage.ru_utime + usage.ru_stime, time.time() - start))
PY
done
