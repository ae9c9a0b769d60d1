// Test `predict`: what the model says of every sample, for data whose labels nobody knows. Where samples have several labels: the probability of each.
#include <algorithm>

#include "train/eval/tests.h"
#include "train/eval/text.h"

namespace liere {
namespace {

std::string class_name(const Predictions& predictions, int64_t index) { return index < 0 ? "" : predictions.class_names.at(static_cast<size_t>(index)); }

nlohmann::json predicted_counts(const Predictions& predictions, const std::vector<int64_t>& counts) {
  auto predicted = nlohmann::json::array();
  for (size_t c = 0; c < counts.size(); ++c) predicted.push_back({{"class", c}, {"class_name", predictions.class_names[c]}, {"count", counts[c]}});
  return predicted;
}

/// A column for each label in place of the five most probable classes.
TestOutput predict_labels(const Predictions& predictions) {
  const auto& scores = predictions.scores;
  const auto classes = static_cast<size_t>(scores.classes);
  std::string csv = "sample,name";
  for (const auto& name : predictions.class_names) csv += "," + csv_field("probability of " + name);
  csv += "\n";
  std::vector<int64_t> counts(classes, 0);
  for (size_t i = 0; i < scores.samples.size(); ++i) {
    csv += std::to_string(scores.samples[i]) + "," + csv_field(predictions.sample_names.at(i));
    for (size_t c = 0; c < classes; ++c) {
      const double probability = scores.probability[i * classes + c];
      csv += "," + csv_number(probability);
      counts[c] += probability >= 0.5;
    }
    csv += "\n";
  }
  return {{{"predicted", predicted_counts(predictions, counts)}}, {{"predictions.csv", csv}}, {}};
}

}  // namespace

TestOutput predict_test(const Predictions& predictions) {
  if (predictions.multi_label) return predict_labels(predictions);
  std::string csv = "sample,view,name,class,class_name,probability";
  for (size_t k = 2; k <= kTopClasses; ++k) {
    const auto number = std::to_string(k);
    csv += ",class_" + number + ",class_name_" + number + ",probability_" + number;
  }
  csv += "\n";
  std::vector<int64_t> counts(predictions.class_names.size(), 0);
  for (size_t i = 0; i < predictions.of_samples().size(); ++i) {
    const Row& row = predictions.of_samples()[i];
    csv += std::to_string(row.sample) + "," + std::to_string(row.view) + "," + csv_field(predictions.sample_names.at(i));
    for (size_t k = 0; k < kTopClasses; ++k) {
      const bool there = row.top[k] >= 0;
      csv += "," + (there ? std::to_string(row.top[k]) : "") + "," + csv_field(class_name(predictions, row.top[k])) + "," + (there ? csv_number(row.probability[k]) : "");
    }
    csv += "\n";
    counts.at(static_cast<size_t>(row.top[0])) += 1;
  }
  return {{{"predicted", predicted_counts(predictions, counts)}}, {{"predictions.csv", csv}}, {}};
}

std::string describe_predict(const nlohmann::json& result) {
  constexpr size_t kShown = 10;
  auto predicted = result.at("predicted");
  std::stable_sort(predicted.begin(), predicted.end(), [](const auto& a, const auto& b) { return a.at("count").template get<int64_t>() > b.at("count").template get<int64_t>(); });
  std::vector<std::vector<std::string>> rows = {{"class", "predicted"}};
  for (size_t i = 0; i < std::min(kShown, predicted.size()); ++i)
    rows.push_back({predicted[i].at("class_name").get<std::string>(), std::to_string(predicted[i].at("count").get<int64_t>())});
  return "  predictions.csv holds every sample; classes by how often they were predicted" + std::string(predicted.size() > kShown ? " (the first 10):\n" : ":\n") + aligned_text(rows);
}

}  // namespace liere
