#include "train/eval/tests.h"

#include "core/check.h"
#include "core/config.h"

namespace liere {

std::span<const EvalTest> eval_tests() {
  static const std::vector<EvalTest> tests = {
      {"accuracy", "top-1, top-5 and loss with 95 % intervals; samples.csv holds every sample", accuracy_test, describe_accuracy, {"limit", "batch_size", "resamples"}},
      {"shuffle", "accuracy with each sample's patches in random order: is order used at all?", shuffle_test, describe_shuffle, {"limit", "batch_size", "resamples", "shuffle_seeds"}},
      {"shuffle-frames", "accuracy with each video's frames in random order: is their order used?", shuffle_frames_test, describe_shuffle, {"limit", "batch_size", "resamples", "shuffle_seeds"}},
      {"resolution", "accuracy over input sizes, with both ways to place tokens", resolution_test, describe_resolution, {"limit", "batch_size", "resamples", "sizes"}},
      {"random-rotations", "accuracy with random orthogonal matrices in place of the rotations: is their geometry used?", random_rotations_test, describe_random_rotations,
       {"limit", "batch_size", "resamples", "shuffle_seeds"}},
      {"orthogonality", "how far the rotations are from orthogonal, per layer, block size and start (needs no data)", orthogonality_test, describe_orthogonality, {"sizes"}, false, false, false},
      {"gradients", "norms of one step's gradients, as trained and over block sizes and starts of the generators", gradients_test, describe_gradients, {}},
      {"attention", "what the CLS token of each layer looks at: pictures of some samples, and how spread it is", attention_test, describe_attention, {"attention_samples"}},
      {"per-class", "accuracy of each class, the worst first", per_class_test, describe_per_class, {"limit", "batch_size"}},
      {"confusion", "which classes are taken for which: matrix, picture, most confused pairs", confusion_test, describe_confusion, {"limit", "batch_size"}},
      {"calibration", "whether confidence means what it says: ECE, MCE, Brier score, reliability diagram", calibration_test, describe_calibration, {"limit", "batch_size"}},
      {"detection", "of two classes or several labels: AUROC, precision, sensitivity at a specificity, by patient, beside the majority baseline", detection_test, describe_detection,
       {"limit", "batch_size", "resamples", "specificity"}},
      {"predict", "the five most probable classes of every sample, without reading labels", predict_test, describe_predict, {"limit", "batch_size"}, false, true},
  };
  return tests;
}

const EvalTest& find_eval_test(const std::string& name) {
  std::vector<std::string_view> names;
  for (const auto& test : eval_tests()) {
    if (test.name == name) return test;
    names.push_back(test.name);
  }
  std::string list;
  for (const auto known : names) list += (list.empty() ? "" : ", ") + std::string(known);
  const auto nearest = nearest_name(name, names);
  throw ConfigError("--test " + name + ": there is no such test." + (nearest.empty() ? "" : " Did you mean '" + nearest + "'?") + " Expected one of: " + list + ".");
}

std::string list_eval_tests() {
  std::string text;
  for (const auto& test : eval_tests()) text += "  " + std::string(test.name) + std::string(18 - test.name.size(), ' ') + std::string(test.sentence) + "\n";
  return text;
}

}  // namespace liere
