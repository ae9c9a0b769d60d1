// liere-eval: tests of a trained model: accuracy, shuffle, resolution.
#include <CLI/CLI.hpp>
#include <iostream>

#include "core/check.h"
#include "core/files.h"
#include "core/memory.h"
#include "train/eval_tests.h"
#include "train/signals.h"

using namespace liere;

namespace {

int run(int argc, char** argv) {
  CLI::App app{"Evaluates a trained model: accuracy, accuracy with shuffled patches, accuracy over input sizes."};
  app.footer("Example:\n  liere-eval --checkpoint runs/arrows_demo_liere_seed0 --test accuracy,shuffle,resolution eval.sizes=[60,84,120]");
  std::string checkpoint, output, json_file;
  std::vector<std::string> tests = {"accuracy"}, overrides;
  app.add_option("-k,--checkpoint", checkpoint, "run folder (its newest checkpoint) or checkpoint file")->required();
  app.add_option("-t,--test", tests, "accuracy, shuffle, resolution; several separated by commas")->delimiter(',')->allow_extra_args(false)->check(CLI::IsMember({"accuracy", "shuffle", "resolution"}));
  app.add_option("-o,--output", output, "folder for eval.json (one test only; default: RUN/eval/TEST)");
  app.add_option("--json", json_file, "write the results to this file too");
  app.add_option("overrides", overrides, "keys outside the run's identity, as in eval.limit=1000 or data.root=FOLDER")->type_name("KEY=VALUE");
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& request) {
    return app.exit(request);
  } catch (const CLI::ParseError& error) {
    throw ConfigError(std::string(error.what()) + " (liere-eval --help lists the options).");
  }
  if (!output.empty() && tests.size() > 1) throw ConfigError("--output names one folder, but " + std::to_string(tests.size()) + " tests were asked for. Leave it out, or run one test.");
  auto trained = load_trained(checkpoint, overrides);
  auto results = nlohmann::json::array();
  for (const auto& test : tests) {
    results.push_back(run_eval_test(trained, test, output));
    std::cout << describe_result(results.back()) << std::flush;
  }
  if (!json_file.empty()) write_file_atomically(json_file, (tests.size() == 1 ? results[0] : results).dump(2) + "\n");
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  keep_freed_memory();
  install_stop_signals();
  return run_command([&] { return run(argc, argv); });
}
