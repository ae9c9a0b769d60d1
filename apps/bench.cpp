// liere-bench: parts of the program, timed.
#include <CLI/CLI.hpp>
#include <iostream>

#include "bench/recipe.h"
#include "bench/step.h"
#include "core/allocator.h"
#include "core/check.h"
#include "core/files.h"
#include "train/experiment.h"

using namespace liere;

namespace {

struct Options {
  std::string config, json_file;
  std::vector<std::string> overrides;
  double seconds = 20;
  int64_t warmup = 3;
  bool composed = false;

  void common_to(CLI::App* command) {
    command->add_option("-c,--config", config, "configuration: a path, or a name looked for in . and configs/")->required();
    command->add_option("-s,--seconds", seconds, "how long to measure")->check(CLI::PositiveNumber)->capture_default_str();
    command->add_option("--json", json_file, "write the figures to this file too");
    command->add_option("overrides", overrides, "configuration keys, as in train.batch_size=64")->type_name("KEY=VALUE");
  }
};

template <class Result>
void report(const Result& result, const std::string& json_file) {
  std::cout << describe(result);
  if (!json_file.empty()) write_file_atomically(json_file, to_json(result));
}

int run(int argc, char** argv) {
  CLI::App app{"Times parts of the program on this machine."};
  app.require_subcommand(1);
  app.footer("Examples:\n  liere-bench step --config cifar100_small_liere_8.yaml train.precision=bf16 threads=1\n  liere-bench recipe --config cifar100_liere.yaml --seconds 5");
  Options options;
  auto* step = app.add_subcommand("step", "the rate of training steps on constant pictures: forward, backward, optimiser");
  options.common_to(step);
  step->add_option("-w,--warmup", options.warmup, "steps before the measurement")->check(CLI::NonNegativeNumber)->capture_default_str();
  step->add_flag("--composed", options.composed, "blocks composed of single operations instead of fused ones");
  auto* recipe = app.add_subcommand("recipe", "the rate of a configuration's augmentation on one core, on pictures made of noise");
  options.common_to(recipe);
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& request) {
    return app.exit(request);
  } catch (const CLI::ParseError& error) {
    throw ConfigError(std::string(error.what()) + " (liere-bench --help lists the options).");
  }
  if (step->parsed()) report(bench_step(options.config, options.overrides, options.seconds, options.warmup, !options.composed), options.json_file);
  if (recipe->parsed()) {
    const auto config = load_experiment(options.config, options.overrides).config;
    report(bench_recipe(config.augment, config.model.input_size[0], options.seconds), options.json_file);
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  keep_freed_memory();
  return run_command([&] { return run(argc, argv); });
}
