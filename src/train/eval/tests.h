// The tests of liere-eval: an explicit table of name, sentence, function and text. A test of predictions is a pure function of the rows of one pass over
// the test set, which all such tests share; a test of the model evaluates it itself, or only looks at its weights. No torch here.
#pragma once

#include <map>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "core/gnuplot.h"
#include "train/eval/rows.h"

namespace liere {

class EvalSession;

struct TestOutput {
  nlohmann::json result;                     // joined with what every test states (EvalSession::head) in eval.json
  std::map<std::string, std::string> files;  // beside it: name -> contents
  std::vector<PlotScript> plots;             // drawn beside it where gnuplot is installed
};

using PredictionTest = TestOutput (*)(const Predictions&);
using ModelTest = TestOutput (*)(EvalSession&);

struct EvalTest {
  std::string_view name;
  std::string_view sentence;
  std::variant<PredictionTest, ModelTest> run;
  /// The body of the terminal's text, from what eval.json holds.
  std::string (*describe)(const nlohmann::json& result);
  /// Keys of `eval` that change the result.
  std::vector<std::string_view> keys;
  bool needs_labels = true, needs_sample_names = false, needs_data = true;
};

std::span<const EvalTest> eval_tests();
/// Throws ConfigError with the nearest name.
const EvalTest& find_eval_test(const std::string& name);
/// One line per test, for --help and --test list.
std::string list_eval_tests();

TestOutput accuracy_test(const Predictions& predictions);
TestOutput per_class_test(const Predictions& predictions);
TestOutput confusion_test(const Predictions& predictions);
TestOutput calibration_test(const Predictions& predictions);
TestOutput predict_test(const Predictions& predictions);
TestOutput detection_test(EvalSession& session);
TestOutput shuffle_test(EvalSession& session);
TestOutput shuffle_frames_test(EvalSession& session);
TestOutput resolution_test(EvalSession& session);
TestOutput random_rotations_test(EvalSession& session);
TestOutput orthogonality_test(EvalSession& session);
TestOutput gradients_test(EvalSession& session);
TestOutput attention_test(EvalSession& session);

std::string describe_accuracy(const nlohmann::json& result);
std::string describe_per_class(const nlohmann::json& result);
std::string describe_confusion(const nlohmann::json& result);
std::string describe_calibration(const nlohmann::json& result);
std::string describe_predict(const nlohmann::json& result);
std::string describe_detection(const nlohmann::json& result);
std::string describe_shuffle(const nlohmann::json& result);
std::string describe_resolution(const nlohmann::json& result);
std::string describe_random_rotations(const nlohmann::json& result);
std::string describe_orthogonality(const nlohmann::json& result);
std::string describe_gradients(const nlohmann::json& result);
std::string describe_attention(const nlohmann::json& result);

}  // namespace liere
