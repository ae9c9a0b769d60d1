#include "train/eval_tests.h"

#include <algorithm>
#include <set>

#include "core/check.h"
#include "core/log.h"
#include "core/signals.h"
#include "train/eval/session.h"
#include "train/eval/store.h"

namespace liere {
namespace {

namespace fs = std::filesystem;

fs::path folder_of(const TrainedModel& trained, const EvalTest& test, const EvalRequest& request) {
  if (request.output.empty()) return trained.checkpoint.run / "eval" / test.name;
  return request.tests.size() == 1 ? fs::path(request.output) : fs::path(request.output) / test.name;
}

TestOutput run(const EvalTest& test, EvalSession& session) {
  if (const auto* of_model = std::get_if<ModelTest>(&test.run)) return (*of_model)(session);
  return std::get<PredictionTest>(test.run)(session.predictions(test.needs_sample_names));
}

/// 32 to 512 pixels: the trained size and those of this list that whole patches cover.
std::vector<int64_t> paper_sizes(const VitConfig& model) {
  constexpr int64_t kMostTokens = 4096;
  const int64_t trained = model.input_size.back(), patch = model.patch.back(), planes = model.axes() == 3 ? model.input_size[0] / model.patch[0] : 1;
  const auto tokens = [&](int64_t size) { return model.axes() == 1 ? size / patch : planes * (size / patch) * (size / patch); };
  std::set<int64_t> sizes = {trained};
  for (const int64_t size : {32, 48, 64, 96, 128, 160, 192, 224, 256, 320, 384, 448, 512})
    if (size % patch == 0 && tokens(size) <= kMostTokens) sizes.insert(size);
  return {sizes.begin(), sizes.end()};
}

EvalResult run_or_recall(const EvalTest& test, EvalSession& session, const fs::path& folder, bool fresh) {
  const auto keys = session.keys(test);
  if (!fresh)
    if (auto stored = stored_result(folder, keys)) return {*stored, true};
  TestOutput output;
  try {
    output = run(test, session);
  } catch (const Stopped&) {
    throw Error(ExitCode::kStoppedEarly, std::string(stop_signal_name()) + ": the test " + std::string(test.name) + " was stopped; nothing of it was written.");
  }
  auto result = session.head(test);
  result.update(output.result);
  result = store_result(folder, result, keys, output);
  log_info("wrote " + (folder / "eval.json").string());
  return {result, false};
}

}  // namespace

void run_eval_tests(TrainedModel& trained, const EvalRequest& request, const std::function<void(const EvalResult&)>& each) {
  std::vector<const EvalTest*> tests;
  for (const auto& name : request.tests) tests.push_back(&find_eval_test(name));
  EvalSession session(trained, std::any_of(tests.begin(), tests.end(), [](const EvalTest* test) { return test->needs_labels; }));
  for (const auto* test : tests) each(run_or_recall(*test, session, folder_of(trained, *test, request), request.fresh));
}

void run_eval_tests(const std::vector<std::string>& checkpoints, const std::vector<std::string>& overrides, const EvalRequest& request, const std::function<void(const EvalResult&)>& each) {
  if (checkpoints.size() > 1 && !request.output.empty()) throw ConfigError("--output names one folder for several checkpoints. Leave it out: each run's results go into its eval/.");
  for (const auto& checkpoint : checkpoints) {
    auto trained = open_trained(checkpoint, overrides);
    auto of_this = request;
    if (!request.suite.empty()) of_this.tests = suite_tests(request.suite, trained);
    if (checkpoints.size() > 1) log_info(checkpoint);
    run_eval_tests(trained, of_this, each);
  }
}

std::vector<std::string> suite_tests(const std::string& suite, TrainedModel& trained) {
  if (suite != "paper") throw ConfigError("--suite " + suite + ": there is no such suite. Expected paper.");
  auto& config = trained.config;
  if (config.eval.sizes.empty() && !std::holds_alternative<ArrowsConfig>(config.data.dataset)) config.eval.sizes = paper_sizes(config.model);
  const auto kind = encoding_kind(config.model.position);
  const auto* volumes = std::get_if<VolumesConfig>(&config.data.dataset);
  const bool several_labels = volumes && volumes->labels == VolumeLabels::kAll, two_classes = trained.info.class_names.size() == 2;
  std::vector<std::string> tests = {"accuracy", "shuffle"};
  if (config.model.axes() == 3) tests.push_back("shuffle-frames");
  tests.push_back("resolution");
  if (kind != "none" && kind != "absolute") tests.push_back("random-rotations");
  tests.insert(tests.end(), {"orthogonality", "gradients"});
  if (config.model.axes() > 1) tests.push_back("attention");
  if (!several_labels) tests.insert(tests.end(), {"per-class", "calibration"});
  if (several_labels || two_classes) tests.push_back("detection");
  return tests;
}

nlohmann::json run_eval_test(TrainedModel& trained, const std::string& test, const std::string& output, bool fresh) {
  nlohmann::json object;
  run_eval_tests(trained, {.tests = {test}, .output = output, .fresh = fresh}, [&object](const EvalResult& result) { object = result.object; });
  return object;
}

std::string describe_result(const nlohmann::json& result) {
  std::string text = result.at("label").get<std::string>() + ", " + result.at("test").get<std::string>();
  if (result.contains("samples")) text += ", " + format_count(result.at("samples").get<int64_t>()) + " " + result.value("unit", "images");
  text += ", " + result.at("weights").get<std::string>() + " weights of step " + format_count(result.at("step").get<int64_t>()) + "\n";
  return text + find_eval_test(result.at("test").get<std::string>()).describe(result);
}

std::string describe_result(const EvalResult& result) {
  const auto text = describe_result(result.object);
  return result.cached ? text + "  cached: evaluated on " + result.object.at("date").get<std::string>() + "; --fresh evaluates again\n" : text;
}

}  // namespace liere
