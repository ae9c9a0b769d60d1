// liere-eval: tests of a trained model, comparisons of two, its weights for other programs.
#include <CLI/CLI.hpp>
#include <iostream>

#include "core/allocator.h"
#include "core/check.h"
#include "core/files.h"
#include "core/signals.h"
#include "eval_compare.h"
#include "eval_export.h"
#include "train/eval/tests.h"
#include "train/eval_tests.h"

using namespace liere;

namespace {

struct Arguments {
  std::vector<std::string> checkpoints;
  std::string json_file;
  EvalRequest request{.tests = {"accuracy"}};
  std::vector<std::string> overrides;
};

/// What --json writes: null for the list of tests.
nlohmann::json evaluate_tests(const Arguments& a) {
  if (a.request.tests == std::vector<std::string>{"list"}) {
    std::cout << list_eval_tests();
    return nullptr;
  }
  if (a.checkpoints.empty()) throw ConfigError("--checkpoint is missing: name a run folder or a checkpoint, as in liere-eval --checkpoint runs/NAME (see --help).");
  auto results = nlohmann::json::array();
  run_eval_tests(a.checkpoints, a.overrides, a.request, [&](const EvalResult& result) {
    results.push_back(result.object);
    std::cout << describe_result(result) << std::flush;
  });
  return results.size() == 1 ? results[0] : results;
}

int run(int argc, char** argv) {
  CLI::App app{"Tests a trained model, or compares two on the same test samples."};
  app.footer("Tests:\n" + list_eval_tests() +
             "\nExamples:\n  liere-eval --checkpoint runs/arrows_demo_liere_seed0 --test accuracy,shuffle,resolution eval.sizes=[60,84,120]\n  liere-eval compare runs/liere_seed0,runs/liere_seed1 runs/rope_seed0,runs/rope_seed1");
  Arguments a;
  app.add_option("-k,--checkpoint", a.checkpoints, "run folder (its newest checkpoint) or checkpoint file; several separated by commas")->delimiter(',')->allow_extra_args(false);
  auto* tests = app.add_option("-t,--test", a.request.tests, "tests of the list below, separated by commas; list prints them")->delimiter(',')->allow_extra_args(false);
  app.add_option("--suite", a.request.suite, "paper: all tests that the paper asks of such a model, sizes from 32 to 512 pixels among them")->excludes(tests);
  app.add_option("-o,--output", a.request.output, "folder for eval.json (several tests: OUTPUT/TEST; default: RUN/eval/TEST)");
  app.add_flag("--fresh", a.request.fresh, "evaluate even where a complete result of the same checkpoint and keys is there");
  app.add_option("--json", a.json_file, "write the results to this file too");
  app.add_option("overrides", a.overrides, "keys outside the run's identity, as in eval.limit=1000 or data.root=FOLDER")->type_name("KEY=VALUE");
  const CompareCommand comparing(app);
  const ExportCommand exporting(app);
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& request) {
    return app.exit(request);
  } catch (const CLI::ParseError& error) {
    throw ConfigError(std::string(error.what()) + " (liere-eval --help lists the options).");
  }
  if (exporting.parser->parsed()) return exporting.run();
  if (comparing.parser->parsed()) return comparing.run();
  const auto result = evaluate_tests(a);
  if (!a.json_file.empty() && !result.is_null()) write_file_atomically(a.json_file, result.dump(2) + "\n");
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  keep_freed_memory();
  install_stop_signals();
  return run_command([&] { return run(argc, argv); });
}
