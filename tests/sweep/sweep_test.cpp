// Sweeps: what a file's axes become, and which runs are made, skipped, resumed, chosen and told of, with a shell script in liere-train's place.
#include "sweep/sweep.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <fstream>
#include <iterator>
#include <thread>

#include "core/check.h"
#include "core/signals.h"
#include "support/catch.h"
#include "support/fixtures.h"

using namespace liere;
using namespace liere::sweep;
using liere::test::TemporaryFolder;
namespace fs = std::filesystem;

namespace {

std::string text_of(const fs::path& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

void write(const fs::path& path, const std::string& text) { std::ofstream(path) << text; }

const char* const kAxes = R"(
config: base.yaml
overrides: [train.epochs=3]
axes:
  encoding:
    values:
      absolute: {config: absolute.yaml}
      liere_8: {overrides: [model.position.block_size=8, optimizer.lr=1e-4]}
  size: {key: model.input_size, values: [[32, 32], [64, 64]]}
  seed: {key: seed, values: [0, 1]}
reproduces:
  - {where: {encoding: liere_8, seed: [0, 1]}, table: A, row: LieRE_8, column: "a b", top1: 70.3, interval: [69.4, 71.2]}
  - {where: {encoding: absolute}, table: A, row: absolute, top1: 63.9}
)";

/// A folder with a sweep and a program that stands for liere-train and liere-eval. It trains in no time: summary.json of state "done", or what the file
/// `fate` in its folder says for the run's name. Every call is a line of `calls`.
struct Stage {
  TemporaryFolder folder;
  fs::path file = folder.path() / "trial.yaml", calls = folder.path() / "calls", program = folder.path() / "stand_in";

  explicit Stage(const std::string& yaml) {
    write(file, yaml + "\noutput: " + (folder.path() / "runs").string() + "\n");
    write(program, R"sh(#!/bin/bash
here=$(dirname "$0")
describe() {
  out='' identity=''
  for word in "$@"; do
    case $word in output=*) out=${word#output=} ;; esac
    case $word in --*|output=*|reproduces=*|threads=*) ;; *) identity="$identity $word" ;; esac
  done
}
if [ "$1" = costs ]; then
  between='['
  while IFS=$'\t' read -r -a words; do
    case " ${words[*]} " in *' optimizer.rl='*) echo ']' >>"$4"; echo "error: optimizer.rl: unknown key" >&2; exit 2 ;; esac
    describe "${words[@]}"
    printf '%s{"identity": "%s", "disk_bytes": 1000000, "steps": 10, "training_flop": 1e12, "has_holdout": %s}' "$between" "$identity" "$(case " ${words[*]} " in *' data.holdout='*) echo true ;; *) echo false ;; esac)" >>"$4"
    between=,
  done <"$2"
  echo ']' >>"$4"
  exit 0
fi
describe "$@"
case " $* " in *' --test list '*) printf '  accuracy  x\n  shuffle  y\n'; exit 0 ;; esac
echo "$*" >>"$here/calls"
case " $* " in *' --checkpoint '*) [ ! -e "$here/no_tests" ] || { echo "error: no tests today" >&2; exit 3; }; for test in accuracy shuffle; do mkdir -p "$2/eval/$test"; touch "$2/eval/$test/eval.json"; done; exit 0 ;; esac
mkdir -p "$out"
touch "$out/config.yaml"
fate=$(grep -s "^$(basename "$out") " "$here/fate" | head -n 1 | cut -d ' ' -f 2-)
set -- $fate
case ${1:-done} in
  fail) echo "error: planted" >&2; exit "$2" ;;
  slow) trap 'printf "{\"state\": \"stopped\", \"steps\": 4, \"steps_planned\": 10, \"identity\": \"%s\"}" "$identity" >"$out/summary.json"; exit 75' TERM INT; touch "$here/slow"; while :; do sleep 0.02; done ;;
esac
printf '{"state": "done", "steps": 10, "steps_planned": 10, "seconds": 60, "identity": "%s", "final": {"top1": 50.5}, "holdout": {"top1": %s}}' "$identity" "${2:-40}" >"$out/summary.json"
)sh");
    fs::permissions(program, fs::perms::owner_all);
  }
  Sweep sweep(SweepOptions options = {}, const std::vector<std::string>& given = {}) const {
    options.train = options.eval = program.string();
    return Sweep(with_overrides(read_sweep(file), given), options);
  }
  void fate(const std::string& lines) const { write(folder.path() / "fate", lines); }
  int64_t trainings() const {
    std::ifstream in(calls);
    int64_t count = 0;
    for (std::string line; std::getline(in, line);) count += line.find("--checkpoint") == std::string::npos;
    return count;
  }
  void forget() const { fs::remove(calls); }
};

}  // namespace

TEST_CASE("sweep: the product of the axes, its names, arguments and expectations", "[sweep]") {
  TemporaryFolder folder;
  write(folder.path() / "trial.yaml", kAxes);
  const auto file = read_sweep(folder.path() / "trial.yaml");
  const auto points = points_of(file);
  REQUIRE(points.size() == 8);
  CHECK(points[0].name == "absolute_size-32-32_seed0");
  CHECK(points[1].name == "absolute_size-32-32_seed1");  // the last axis runs fastest
  CHECK(points[7].name == "liere_8_size-64-64_seed1");
  CHECK(points[0].config == "absolute.yaml");
  CHECK(points[4].config == "base.yaml");
  CHECK(points[7].folder == "runs/trial/liere_8_size-64-64_seed1");
  CHECK(points[7].overrides == std::vector<std::string>{"train.epochs=3", "model.position.block_size=8", "optimizer.lr=1e-4", "model.input_size=[64,64]", "seed=1",
                                                        "output=runs/trial/liere_8_size-64-64_seed1",
                                                        R"(reproduces=[{"table":A,"row":LieRE_8,"column":"a\u0020b","top1":70.3,"interval":[69.4,71.2]}])"});
  for (const auto& point : points)
    for (const auto& override : point.overrides) CHECK(override.find(' ') == std::string::npos);
  // It is YAML that says the same.
  const auto again = parse_yaml(points[7].overrides.back().substr(11), "test");
  REQUIRE(again.items.size() == 1);
  CHECK(again.items[0].find("column")->scalar == "a b");
  CHECK(tuning_points(file).empty());
}

TEST_CASE("sweep: a file that is wrong is refused with line and column", "[sweep]") {
  TemporaryFolder folder;
  const auto error_of = [&](const std::string& yaml) -> std::string {
    write(folder.path() / "x.yaml", yaml);
    try {
      read_sweep(folder.path() / "x.yaml");
    } catch (const ConfigError& error) {
      return error.what();
    }
    return "no error";
  };
  const std::string seed = "\n  seed: {key: seed, values: [0, 1]}\n";
  CHECK_THAT(error_of("config: a.yaml\n"), Catch::Contains("has no axes"));
  CHECK_THAT(error_of("axes:" + seed), Catch::Contains("has no configuration"));
  CHECK_THAT(error_of("config: a.yaml\naxis:" + seed), Catch::Contains("x.yaml:2") && Catch::Contains("axes"));
  CHECK_THAT(error_of("config: a.yaml\naxes:\n  seed: {key: seed, values: []}\n"), Catch::Contains("has no values"));
  CHECK_THAT(error_of("config: a.yaml\naxes:\n  e: {values: [a, b]}\n"), Catch::Contains("has no key"));
  CHECK_THAT(error_of("config: a.yaml\naxes:\n  e: {values: {a/b: {}}}\n"), Catch::Contains("folder names"));
  CHECK_THAT(error_of("config: a.yaml\naxes:" + seed + "reproduces: [{where: {sede: 0}}]\n"), Catch::Contains("Did you mean 'seed'"));
  CHECK_THAT(error_of("config: a.yaml\naxes:" + seed + "reproduces: [{where: {seed: 7}}]\n"), Catch::Contains("no value '7'"));
  CHECK_THAT(error_of("config: a.yaml\naxes:" + seed + "tune: {key: optimizer.lr, values: [1e-4], per: encoding}\n"), Catch::Contains("no axis 'encoding'"));
  CHECK_THAT(error_of("config: a.yaml\naxes:\n  ../x: {key: seed, values: [0]}\n"), Catch::Contains("folder names"));
  CHECK_THAT(error_of("config: a.yaml\naxes:\n  e: {values: {..: {}}}\n"), Catch::Contains("folder names"));
  CHECK_THAT(error_of("config: a.yaml\naxes:" + seed + "tune: {key: lr, values: [1], per: seed, choose: test}\n"), Catch::Contains("expected holdout"));
  CHECK_THAT(error_of("config: a.yaml\naxes:\n  seed: {key: seed, values: [0, 0]}\n"), Catch::Contains("share the folder"));
  CHECK_THROWS_AS(find_sweep("no_such_sweep"), ConfigError);
}

TEST_CASE("sweep: runs what is not done, evaluates it, and skips it the next time", "[sweep]") {
  const Stage stage(std::string(kAxes) + "evaluate: [accuracy, shuffle]\n");
  CHECK(stage.sweep().run() == 0);
  CHECK(stage.trainings() == 8);
  CHECK_THAT(text_of(stage.calls), Catch::Contains("--test accuracy,shuffle"));
  stage.forget();
  CHECK(stage.sweep().run() == 0);
  CHECK(stage.trainings() == 0);
  // A run of another configuration in its folder is not taken for it.
  fs::remove_all(stage.folder.path() / "runs/absolute_size-32-32_seed0");
  fs::copy(stage.folder.path() / "runs/absolute_size-32-32_seed1", stage.folder.path() / "runs/absolute_size-32-32_seed0");
  auto sweep = stage.sweep();
  CHECK(sweep.state_of(sweep.points()[0]).state == State::kOther);
  CHECK(sweep.state_of(sweep.points()[1]).state == State::kDone);
  CHECK_THAT(sweep.status(), Catch::Contains("another run") && Catch::Contains("50.50") && Catch::Contains("7 done, 1 left, about"));
  CHECK_THAT(sweep.plan(), Catch::Contains("1 to train, 7 trained"));
  const auto list = sweep.slurm_list();
  CHECK(std::count(list.begin(), list.end(), '\n') == 2);
  CHECK_THAT(list, Catch::Contains("--test accuracy,shuffle") && Catch::Contains("--config absolute.yaml train.epochs=3"));
}

TEST_CASE("sweep: a run that fails is told and tried again, one that diverged only when asked", "[sweep]") {
  const Stage stage("config: a.yaml\naxes:\n  seed: {key: seed, values: [0, 1, 2]}\n");
  stage.fate("seed0 fail 3\nseed1 fail 6\n");
  SweepOptions options;
  options.jobs = 2;  // logs are kept then, and the reason is read from them
  CHECK(stage.sweep(options).run() == 1);
  CHECK(stage.trainings() == 3);
  CHECK_THAT(stage.sweep().status(), Catch::Contains("failed") && Catch::Contains("exit code 3: planted") && Catch::Contains("diverged") && Catch::Contains("1 done, 2 left"));
  stage.fate("");
  stage.forget();
  CHECK(stage.sweep(options).run() == 1);  // seed1 is left as it is
  CHECK(stage.trainings() == 1);
  options.retry = true;
  CHECK(stage.sweep(options).run() == 0);
  CHECK(stage.trainings() == 2);
  CHECK_THAT(stage.sweep().status(), Catch::Contains("3 done, 0 left"));

  const Stage strict("config: a.yaml\naxes:\n  seed: {key: seed, values: [0, 1, 2]}\n");
  strict.fate("seed0 fail 1\n");
  options = {};
  options.stop_on_error = true;
  CHECK(strict.sweep(options).run() == 1);
  CHECK(strict.trainings() == 1);
}

TEST_CASE("sweep: tests that are missing are made up for, and unknown ones are told before anything is trained", "[sweep]") {
  const std::string axes = "config: a.yaml\naxes:\n  seed: {key: seed, values: [0, 1]}\n";
  const Stage stage(axes + "evaluate: [accuracy]\n");
  write(stage.folder.path() / "no_tests", "");
  CHECK(stage.sweep().run() == 1);
  CHECK_THAT(stage.sweep().status(), Catch::Contains("not evaluated") && Catch::Contains("exit code 3") && Catch::Contains("0 done, 2 left"));
  fs::remove(stage.folder.path() / "no_tests");
  stage.forget();
  CHECK(stage.sweep().run() == 0);
  CHECK(stage.trainings() == 0);
  CHECK_THAT(stage.sweep().status(), Catch::Contains("2 done, 0 left"));
  const Stage typo(axes + "evaluate: [acuracy]\n");
  CHECK_THROWS_WITH(typo.sweep(), Catch::Contains("Did you mean 'accuracy'"));
}

TEST_CASE("sweep: a run that ended before the steps that are asked for now goes on, and two sweeps do not share a folder", "[sweep]") {
  const Stage stage("config: a.yaml\naxes:\n  seed: {key: seed, values: [0, 1]}\n");
  CHECK(stage.sweep().run() == 0);
  const auto summary = stage.folder.path() / "runs/seed0/summary.json";
  auto text = text_of(summary);
  text.replace(text.find("\"steps\": 10"), 11, "\"steps\": 9");
  write(summary, text);
  auto sweep = stage.sweep();
  CHECK(sweep.state_of(sweep.points()[0]).state == State::kStopped);

  const auto lock = ::open((stage.folder.path() / "runs/sweep.lock").c_str(), O_RDWR | O_CLOEXEC);
  REQUIRE(::flock(lock, LOCK_EX | LOCK_NB) == 0);
  CHECK_THROWS_WITH(sweep.run(), Catch::Contains("another liere-sweep"));
  ::close(lock);
}

TEST_CASE("sweep: keys of the command line come after the file's, may name the folder, and may not undo an axis", "[sweep]") {
  TemporaryFolder folder;
  write(folder.path() / "trial.yaml", std::string(kAxes) + "tune: {key: optimizer.eps, values: [1e-8], per: encoding, overrides: [data.holdout=100]}\n");
  const auto file = read_sweep(folder.path() / "trial.yaml");
  const auto points = points_of(with_overrides(file, {"train.epochs=9", "output=elsewhere", "data.root=/my data"}));
  CHECK(points[7].folder == "elsewhere/liere_8_size-64-64_seed1");
  const std::vector<std::string> expected = {"train.epochs=3", "model.position.block_size=8", "optimizer.lr=1e-4", "model.input_size=[64,64]", "seed=1", "train.epochs=9", "data.root=/my data",
                                             "output=elsewhere/liere_8_size-64-64_seed1"};
  CHECK(std::vector<std::string>(points[7].overrides.begin(), points[7].overrides.end() - 1) == expected);
  CHECK(tuning_points(with_overrides(file, {"threads=1"})).front().overrides.back() == "output=runs/trial/tune_absolute_eps-1e-8");
  for (const char* wrong : {"seed=3", "model.position={kind: rope}", "model=x", "optimizer.lr=1", "optimizer.eps=1e-6", "data.holdout=5"}) CHECK_THROWS_WITH(with_overrides(file, {wrong}), Catch::Contains("would undo"));
  CHECK_THROWS_WITH(with_overrides(file, {"status"}), Catch::Contains("expected KEY=VALUE"));
  CHECK_THROWS_WITH(with_overrides(file, {"output="}), Catch::Contains("names no folder"));
  CHECK_NOTHROW(with_overrides(file, {"model.positions=1", "seeds=2"}));
}

TEST_CASE("sweep: the paper's figures stay with what they are of when the command line makes other experiments", "[sweep]") {
  const Stage stage("config: a.yaml\naxes:\n  seed: {key: seed, values: [0, 1]}\nreproduces: [{table: A, row: LieRE_8, column: x, top1: 70, interval: [69, 71]}]\n");
  const auto lists = [](const Sweep& sweep) {
    int64_t count = 0;
    for (const auto& point : sweep.points())
      for (const auto& override : point.overrides) count += override.starts_with("reproduces=");
    return count;
  };
  CHECK(lists(stage.sweep()) == 2);
  CHECK(lists(stage.sweep({}, {"threads=1"})) == 2);  // not of the identity
  CHECK(lists(stage.sweep({}, {"train.epochs=2"})) == 0);
}

TEST_CASE("sweep: a point that liere-train refuses stops the sweep before anything is trained", "[sweep]") {
  const Stage stage("config: a.yaml\naxes:\n  lr: {values: {good: {}, bad: {overrides: [optimizer.rl=1]}}}\n");
  CHECK_THROWS_WITH(stage.sweep(), Catch::Contains("point bad is refused") && Catch::Contains("optimizer.rl: unknown key"));
  CHECK(stage.trainings() == 0);
}

TEST_CASE("sweep: a signal stops the run under way cleanly, and the same command goes on", "[sweep]") {
  const Stage stage("config: a.yaml\naxes:\n  seed: {key: seed, values: [0, 1]}\n");
  stage.fate("seed0 slow\n");
  const auto child = ::fork();
  if (child == 0) {
    install_stop_signals();
    ::_exit(stage.sweep().run());
  }
  for (int i = 0; i < 1000 && !fs::exists(stage.folder.path() / "slow"); ++i) std::this_thread::sleep_for(std::chrono::milliseconds(10));
  ::kill(child, SIGTERM);
  int status = 0;
  ::waitpid(child, &status, 0);
  CHECK((WIFEXITED(status) && WEXITSTATUS(status) == 75));
  CHECK(stage.trainings() == 1);
  CHECK_THAT(stage.sweep().status(), Catch::Contains("stopped") && Catch::Contains("4/10"));
  stage.fate("");
  CHECK(stage.sweep().run() == 0);
  CHECK(stage.trainings() == 3);
}

TEST_CASE("sweep: tuning gives every value of its axis the same budget and chooses on held-out data", "[sweep]") {
  const Stage stage(
      "config: a.yaml\naxes:\n  encoding: {values: {a: {}, b: {overrides: [model.x=1]}}}\n  seed: {key: seed, values: [0, 1]}\n"
      "tune: {key: optimizer.lr, values: [1e-4, 2e-4, 3e-4], per: encoding, overrides: [data.holdout=100]}\n");
  stage.fate("tune_a_lr-1e-4 done 41\ntune_a_lr-2e-4 done 43\ntune_a_lr-3e-4 done 42\ntune_b_lr-1e-4 done 50\ntune_b_lr-2e-4 done 30\ntune_b_lr-3e-4 done 50\n");
  auto before = stage.sweep();
  CHECK_THAT(before.status(), Catch::Contains("waits for tuning"));
  CHECK(before.slurm_list().find("output=" + (stage.folder.path() / "runs/a_seed0").string()) == std::string::npos);  // the runs that choose come first
  CHECK(before.run() == 0);
  CHECK(stage.trainings() == 6 + 4);
  const auto choices = before.choices();
  REQUIRE(choices.size() == 2);
  CHECK((choices[0].of == "a" && choices[0].value == "2e-4" && choices[0].holdout == 43 && choices[0].tied.empty()));
  CHECK((choices[1].of == "b" && choices[1].value == "1e-4" && choices[1].tied == std::vector<std::string>{"3e-4"}));
  CHECK_THAT(stage.sweep().status(), Catch::Contains("10 done, 0 left") && Catch::Contains("as good as 3e-4"));
  CHECK((choices[0].runs == choices[1].runs && choices[0].steps == choices[1].steps));
  const auto calls = text_of(stage.calls);
  CHECK_THAT(calls, Catch::Contains("a_seed1 optimizer.lr=2e-4") && Catch::Contains("b_seed0 optimizer.lr=1e-4") && Catch::Contains("data.holdout=100 optimizer.lr=3e-4"));
  CHECK(calls.find("a_seed0 optimizer.lr=2e-4 data.holdout") == std::string::npos);
}

TEST_CASE("sweep: the files of the project are well-formed", "[sweep]") {
  int count = 0;
  for (const auto& entry : fs::directory_iterator(fs::path(LIERE_SOURCE_DIR) / "configs/sweeps")) {
    INFO(entry.path());
    const auto file = read_sweep(entry.path());
    CHECK(points_of(file).size() > 1);
    for (const auto& point : points_of(file)) CHECK(fs::exists(fs::path(LIERE_SOURCE_DIR) / "configs" / point.config));
    const auto text = text_of(entry.path());
    CHECK_THAT(text, Catch::Contains("liere-sweep run " + entry.path().filename().string()) && Catch::Contains("# Expected:"));
    ++count;
  }
  CHECK(count >= 3);
}
