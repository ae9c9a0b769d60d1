// liere-train: an experiment from a YAML configuration: trains, evaluates, checkpoints, resumes.
#include <CLI/CLI.hpp>
#include <iostream>

#include "core/check.h"
#include "core/allocator.h"
#include "core/signals.h"
#include "launch/local_ranks.h"
#include "train_costs.h"
#include "train_plan.h"
#include "train/trainer.h"

using namespace liere;

namespace {

int run(int argc, char** argv) {
  CLI::App app{"Trains a vision transformer with the position encoding that the configuration names."};
  app.footer("Example:\n  liere-train --config arrows_demo_liere.yaml train.epochs=2 optimizer.lr=3e-4\n\nEvery key is listed in docs/configs.md; --print-config shows all values and where they come from.");
  std::string config, output, dry_run, json_file;
  std::vector<std::string> overrides;
  int64_t processes = 0;
  bool resume = false, force = false, print_config = false, reference = false;
  app.add_option("-c,--config", config, "configuration: a path, or a name looked for in . and configs/");
  app.add_option("-o,--output", output, "run folder (default: runs/<config>_seed<seed>)");
  app.add_flag("--resume", resume, "insist on resuming: an error when the run folder holds no checkpoint (by default one that is there is resumed)");
  app.add_flag("--force", force, "move an earlier run in the folder aside and start anew")->excludes("--resume");
  app.add_flag("--print-config", print_config, "print the resolved configuration with the origin of every value, and stop");
  app.add_flag("--dry-run{model}", dry_run, "print parameters, FLOPs, memory and steps, and stop; --dry-run=step opens the data and runs one step");
  app.add_flag("--config-reference", reference, "print every configuration key with its meaning (Markdown), and stop");
  app.add_option("--ranks,--gpus", processes, "train in this many processes of this machine, each with a GPU or its share of the processors (default: as torchrun's or SLURM's environment says, else one)")->check(CLI::Range(1, 1024));
  app.add_option("--json", json_file, "of --dry-run: write the figures to this file too")->type_name("FILE")->needs("--dry-run");
  app.add_option("overrides", overrides, "configuration keys, as in train.epochs=2")->type_name("KEY=VALUE");
  PlanCommand plan(app);
  const CostsCommand costs(app);
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& request) {
    return app.exit(request);
  } catch (const CLI::ParseError& error) {
    throw ConfigError(std::string(error.what()) + " (liere-train --help lists the options).");
  }
  if (plan.parser->parsed()) return plan.run();
  if (costs.parser->parsed()) return costs.run();
  if (reference) std::cout << config_reference();
  if (reference) return 0;
  if (!dry_run.empty() && dry_run != "model" && dry_run != "step") throw ConfigError("--dry-run=" + dry_run + ": expected --dry-run or --dry-run=step.");
  if (config.empty()) throw ConfigError("--config is missing: name a configuration, for example liere-train --config arrows_demo_liere.yaml (see --help).");
  if (!output.empty()) overrides.push_back("output=" + output);
  const auto experiment = load_experiment(config, overrides);
  if (print_config) std::cout << dump_with_origins(experiment.config, experiment.node);
  if (dry_run == "model") report_cost(experiment.config, json_file);
  if (print_config || dry_run == "model") return 0;
  if (dry_run.empty()) check_output_folder(experiment.config.output);
  if (processes > 0 && !environment_variable("LIERE_RANK")) return run_local_ranks(processes, arguments_without(argc, argv, {"--ranks", "--gpus"}));
  const auto place = find_place(environment_variable);
  const auto device = open_device(experiment.config, place);
  Ranks ranks(place, device, experiment.config.distributed);
  Trainer trainer(experiment, device, &ranks);
  if (dry_run == "step") {
    std::cout << dry_run_report(experiment.config) << describe_step(trainer.step_once());
    return 0;
  }
  return static_cast<int>(trainer.run(force ? ResumeMode::kForce : resume ? ResumeMode::kInsist : ResumeMode::kAuto));
}

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
// LibTorch initialises itself for a quarter of a second before main: a scheduler's signal in that time must not kill the job either.
[[gnu::section(".preinit_array"), gnu::used]] void (*const before_libraries)() = install_stop_signals;
#endif

}  // namespace

int main(int argc, char** argv) {
  keep_freed_memory();
  install_stop_signals();
  return run_command([&] { return run(argc, argv); });
}
