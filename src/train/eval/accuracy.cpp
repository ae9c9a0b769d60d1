// Test `accuracy`: the figures of the paper's table A, with their intervals, and every sample beside them. Of samples with several views: each view by itself, as
// the paper's release scores them, and each sample by the mean of its views' probabilities ("video"). Of samples with several labels top-1 counts those whose
// labels are all right at 0.5.
#include "train/eval/scores.h"
#include "train/eval/tests.h"
#include "train/eval/text.h"

namespace liere {

TestOutput accuracy_test(const Predictions& predictions) {
  TestOutput output{scores(outcomes_of(predictions.rows), predictions.resamples), {{"samples.csv", samples_csv(predictions.rows)}}, {}};
  if (!predictions.sample_rows.empty()) {
    output.result["video"] = scores(outcomes_of(predictions.sample_rows), predictions.resamples);
    output.files["videos.csv"] = samples_csv(predictions.sample_rows);
  }
  output.result["bootstrap"] = bootstrap_statement(predictions.resamples);
  if (predictions.multi_label) output.result["multi_label"] = true;
  return output;
}

std::string describe_accuracy(const nlohmann::json& result) {
  const bool views = result.contains("video"), sets = result.value("multi_label", false);
  std::vector<std::vector<std::string>> rows = {{"", "value", "95 % interval"}};
  const auto add = [&rows, sets](const nlohmann::json& from, const std::string& of) {
    for (const auto& [name, key, decimals] : {std::tuple(sets ? "all labels right %" : "top-1 %", "top1", 2),
                                              std::tuple(sets ? "labels among the 5 likeliest sets %" : "top-5 %", "top5", 2), std::tuple("loss", "loss", 4)})
      rows.push_back({name + of, fixed_text(number_in(from, key), decimals), interval_text(from, key, decimals)});
  };
  add(result, views ? ", each view" : "");
  if (views) add(result.at("video"), ", mean of a video's views");
  return aligned_text(rows);
}

}  // namespace liere
