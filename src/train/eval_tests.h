// liere-eval: the tests of a trained model by name (train/eval/tests.h has the table), their results on disk, and what is printed of them.
#pragma once

#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "train/eval/trained_model.h"

namespace liere {

struct EvalRequest {
  std::vector<std::string> tests;
  std::string suite = "";  // in place of `tests`
  std::string output = "";  // folder of eval.json (of several tests: of a folder for each); "" is RUN/eval/TEST
  bool fresh = false;  // evaluate even where the result is there
};

struct EvalResult {
  nlohmann::json object;  // as eval.json holds it
  bool cached = false;    // made by an earlier call with equal keys
};

/// Runs the tests in order, one pass over the test set serving all tests of predictions, and hands each result to `each` once its files are written. Weights
/// are loaded and data opened only where a result is not there already. Throws ConfigError for an unknown name before anything runs, and
/// Error(kStoppedEarly) when a stop signal came: tests done by then are complete, the others have written nothing.
void run_eval_tests(TrainedModel& trained, const EvalRequest& request, const std::function<void(const EvalResult&)>& each);

/// The same of several checkpoints, one after the other; a line names each. ConfigError where one output folder is named for several.
void run_eval_tests(const std::vector<std::string>& checkpoints, const std::vector<std::string>& overrides, const EvalRequest& request, const std::function<void(const EvalResult&)>& each);

/// The tests of a suite that this model can be asked. "paper": all that the paper's tables and figures, and a careful reader, ask of a trained model: accuracy,
/// shuffle (and shuffle-frames), resolution, random-rotations, orthogonality, gradients, attention, per-class, calibration or detection. Where eval.sizes is
/// not set, it becomes the sizes from 32 to 512 pixels that whole patches cover with at most 4,096 tokens (of generated pictures: as ever). Throws ConfigError
/// for another name.
std::vector<std::string> suite_tests(const std::string& suite, TrainedModel& trained);

/// One test, as above. Returns the object.
nlohmann::json run_eval_test(TrainedModel& trained, const std::string& test, const std::string& output, bool fresh = false);

/// A few lines for the terminal.
std::string describe_result(const nlohmann::json& result);
std::string describe_result(const EvalResult& result);

}  // namespace liere
