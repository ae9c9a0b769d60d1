// liere-bench: parts of the program, timed.
#include "bench/commands.h"
#include "core/allocator.h"
#include "core/check.h"

using namespace liere;

namespace {

int run(int argc, char** argv) {
  CLI::App app{"Times parts of the program on this machine; doctor examines the machine itself."};
  app.require_subcommand(1);
  app.footer(
      "Examples:\n  liere-bench rotations --block 8,64 --grid 8x8,14x14\n  liere-bench apply --block 64 --dtype bf16\n  liere-bench encoding liere_8 train.batch_size=8\n"
      "  liere-bench step --config cifar100_small_liere_8.yaml train.precision=bf16 threads=1\n  liere-bench recipe --config cifar100_liere.yaml --seconds 5\n"
      "  liere-bench apply --device cuda --batch 512 --dtype bf16\n  liere-bench doctor --output runs");
  BenchCommands commands(app);
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& request) {
    return app.exit(request);
  } catch (const CLI::ParseError& error) {
    throw ConfigError(std::string(error.what()) + " (liere-bench --help lists the options).");
  }
  return static_cast<int>(commands.run());
}

}  // namespace

int main(int argc, char** argv) {
  keep_freed_memory();
  return run_command([&] { return run(argc, argv); });
}
