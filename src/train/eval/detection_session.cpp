// Test `detection` on a trained model: the scores of the test part, and of the validation part for its threshold.
#include <unordered_set>

#include "core/binary_metrics.h"
#include "core/check.h"
#include "core/log.h"
#include "train/eval/detection.h"
#include "train/eval/session.h"

namespace liere {
namespace {

std::vector<std::string> group_names(const Dataset& dataset, const ClassScores& scores) {
  std::vector<std::string> names;
  for (const int64_t sample : scores.samples) names.push_back(dataset.group(sample));
  return names;
}

/// Who is in both parts would carry the threshold from one to the other. Nobody is named.
void require_disjoint(const std::vector<std::string>& test, const std::vector<std::string>& validation) {
  const std::unordered_set<std::string> known(test.begin(), test.end());
  std::unordered_set<std::string> shared;
  for (const auto& name : validation)
    if (!name.empty() && known.contains(name)) shared.insert(name);
  if (!shared.empty())
    throw DataError(format_count(static_cast<int64_t>(shared.size())) + " groups (patients) have samples in the validation and in the test part, so that a threshold chosen on the one knows of the other. "
                    "Split the data by group and prepare them again.");
}

}  // namespace

TestOutput detection_test(EvalSession& session) {
  const auto& test_set = session.test_set();
  require_findings(static_cast<int64_t>(test_set.class_names().size()), test_set.multi_label());
  const auto& predictions = session.predictions();
  const auto test_groups = group_names(test_set, predictions.scores);
  Detection detection{predictions.class_names, predictions.multi_label, {predictions.scores, number_groups(test_groups)}, std::nullopt, "", session.config().eval.specificity, predictions.resamples};
  if (const auto* validation_set = session.validation_set()) {
    auto scores = session.evaluate_scores(*validation_set, "validation part");
    const auto groups = group_names(*validation_set, scores);
    require_disjoint(test_groups, groups);
    detection.validation = DetectionPart{std::move(scores), number_groups(groups)};
    detection.validation_name = validation_set->describe();
  }
  return detect(detection);
}

}  // namespace liere
