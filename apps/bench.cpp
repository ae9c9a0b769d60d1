// liere-bench: parts of the program, timed.
#include <CLI/CLI.hpp>
#include <iostream>

#include "bench/step.h"
#include "core/check.h"
#include "core/files.h"
#include "core/allocator.h"

using namespace liere;

namespace {

int run(int argc, char** argv) {
  CLI::App app{"Times parts of the program on this machine."};
  app.require_subcommand(1);
  app.footer("Example:\n  liere-bench step --config cifar100_small_liere_8.yaml train.precision=bf16 threads=1");
  auto* step = app.add_subcommand("step", "the rate of training steps on constant pictures: forward, backward, optimiser");
  std::string config, json_file;
  std::vector<std::string> overrides;
  double seconds = 20;
  int64_t warmup = 3;
  bool composed = false;
  step->add_option("-c,--config", config, "configuration: a path, or a name looked for in . and configs/")->required();
  step->add_option("-s,--seconds", seconds, "how long to measure")->check(CLI::PositiveNumber)->capture_default_str();
  step->add_option("-w,--warmup", warmup, "steps before the measurement")->check(CLI::NonNegativeNumber)->capture_default_str();
  step->add_flag("--composed", composed, "blocks composed of single operations instead of fused ones");
  step->add_option("--json", json_file, "write the figures to this file too");
  step->add_option("overrides", overrides, "configuration keys, as in train.batch_size=64")->type_name("KEY=VALUE");
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& request) {
    return app.exit(request);
  } catch (const CLI::ParseError& error) {
    throw ConfigError(std::string(error.what()) + " (liere-bench --help lists the options).");
  }
  const auto result = bench_step(config, overrides, seconds, warmup, !composed);
  std::cout << describe(result);
  if (!json_file.empty()) write_file_atomically(json_file, to_json(result));
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  keep_freed_memory();
  return run_command([&] { return run(argc, argv); });
}
