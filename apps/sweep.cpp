// liere-sweep: many runs from one file of axes.
#include <CLI/CLI.hpp>
#include <filesystem>
#include <iostream>

#include "core/check.h"
#include "core/files.h"
#include "core/signals.h"
#include "sweep/sweep.h"

using namespace liere;

namespace {

/// PROGRAM beside this one, else as found in PATH.
std::string beside(const std::string& program) {
  std::error_code ignored;
  const auto path = std::filesystem::read_symlink("/proc/self/exe", ignored).parent_path() / program;
  // A package's programs are started through bin/.
  const auto wrapper = path.parent_path().parent_path() / "bin" / program;
  if (path.parent_path().filename() == "libexec" && std::filesystem::exists(wrapper, ignored)) return wrapper.string();
  return std::filesystem::exists(path, ignored) ? path.string() : program;
}

int run(int argc, char** argv) {
  CLI::App app{"Trains and evaluates every point of a sweep: the product of the axes that a file names."};
  app.footer("Examples:\n  liere-sweep run arrows_demo.yaml\n  liere-sweep run cifar100_small.yaml data.root=/data/cifar100 --jobs 2\n  liere-sweep status cifar100_block_size.yaml\n  liere-sweep slurm cifar100_block_size.yaml --list sweep.list && scripts/slurm/submit.sh sweep sweep.list");
  app.require_subcommand(1);
  std::string name, list;
  std::vector<std::string> overrides;
  sweep::SweepOptions options{beside("liere-train"), beside("liere-eval")};
  const auto add = [&](const char* command, const char* sentence) {
    auto* sub = app.add_subcommand(command, sentence);
    sub->add_option("SWEEP", name, "a file, or a name in configs/sweeps")->required();
    sub->add_option("overrides", overrides, "configuration keys of every run, as in data.root=/data; output=DIR: the folder of the run folders")->type_name("KEY=VALUE");
    sub->add_option("--train", options.train, "the program that trains (default: liere-train beside this one)")->type_name("PROGRAM");
    return sub;
  };
  auto* run_command = add("run", "train and evaluate what is not done; goes on where it was stopped");
  run_command->add_option("--jobs", options.jobs, "trainings at once, each with its share of the processors; their output goes to OUTPUT/POINT.log")->check(CLI::Range(1, 256))->capture_default_str();
  run_command->add_option("--eval", options.eval, "the program that evaluates (default: liere-eval beside this one)")->type_name("PROGRAM");
  run_command->add_flag("--stop-on-error", options.stop_on_error, "end when a run fails (default: go on with the others)");
  run_command->add_flag("--retry", options.retry, "train again what diverged");
  auto* status = add("status", "the state of every run, and what is left");
  auto* plan = add("plan", "runs, steps, FLOP and disk of what is not done");
  auto* slurm = add("slurm", "the list of runs for scripts/slurm/submit.sh sweep");
  slurm->add_option("--list", list, "write it to this file (default: print it)")->type_name("FILE");
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& request) {
    return app.exit(request);
  } catch (const CLI::ParseError& error) {
    throw ConfigError(std::string(error.what()) + " (liere-sweep --help lists the commands).");
  }
  const auto file = sweep::with_overrides(sweep::read_sweep(sweep::find_sweep(name)), overrides);
  sweep::Sweep sweep(file, options);
  if (status->parsed()) std::cout << sweep.status();
  if (plan->parsed()) std::cout << sweep.plan();
  if (slurm->parsed()) {
    const auto runs = sweep.slurm_list();
    if (runs.empty()) std::cout << "nothing is left to train\n";
    else if (list.empty()) std::cout << runs;
    else write_file_atomically(list, runs), std::cout << list << ": submit it with scripts/slurm/submit.sh sweep " << list << "\n";
  }
  if (!run_command->parsed()) return 0;
  const int code = sweep.run();
  std::cout << sweep.status();
  return code;
}

}  // namespace

int main(int argc, char** argv) {
  install_stop_signals();
  return run_command([&] { return run(argc, argv); });
}
