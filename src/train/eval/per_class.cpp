// Test `per-class`: accuracy of each class with its Wilson interval, the worst first.
#include <algorithm>

#include "core/check.h"
#include "core/statistics.h"
#include "train/eval/tests.h"
#include "train/eval/text.h"

namespace liere {
namespace {

struct ClassCount {
  int64_t index = 0, count = 0, correct = 0;
  double top1() const { return 100.0 * static_cast<double>(correct) / static_cast<double>(count); }
};

/// Classes that occur, by accuracy, then by index.
std::vector<ClassCount> sorted_classes(const Predictions& predictions) {
  std::vector<ClassCount> classes(predictions.class_names.size());
  for (size_t i = 0; i < classes.size(); ++i) classes[i].index = static_cast<int64_t>(i);
  for (const Row& row : predictions.of_samples()) {
    auto& counted = classes.at(static_cast<size_t>(row.label));
    counted.count += 1;
    counted.correct += row.correct1();
  }
  std::erase_if(classes, [](const ClassCount& c) { return c.count == 0; });
  std::stable_sort(classes.begin(), classes.end(), [](const ClassCount& a, const ClassCount& b) { return a.top1() < b.top1(); });
  return classes;
}

}  // namespace

TestOutput per_class_test(const Predictions& predictions) {
  if (predictions.multi_label) throw ConfigError("--test per-class counts samples of one label each, but these have several. Use --test detection.");
  TestOutput output;
  std::string csv = "class,class_name,count,correct,top1,top1_low,top1_high\n";
  auto list = nlohmann::json::array();
  double sum = 0;
  for (const auto& c : sorted_classes(predictions)) {
    const auto& name = predictions.class_names[static_cast<size_t>(c.index)];
    const auto interval = wilson_interval(c.top1(), c.count);
    csv += std::to_string(c.index) + "," + csv_field(name) + "," + std::to_string(c.count) + "," + std::to_string(c.correct) + "," + csv_number(c.top1()) + "," +
           csv_number(interval.low) + "," + csv_number(interval.high) + "\n";
    list.push_back({{"class", c.index}, {"class_name", name}, {"count", c.count}, {"correct", c.correct}, {"top1", c.top1()}, {"top1_interval", {interval.low, interval.high}}});
    sum += c.top1();
  }
  output.result = {{"mean_class_top1", list.empty() ? 0 : sum / static_cast<double>(list.size())}, {"interval", "Wilson, 95 %"}, {"classes", list}};
  output.files["per_class.csv"] = csv;
  return output;
}

std::string describe_per_class(const nlohmann::json& result) {
  constexpr size_t kShownAtEachEnd = 8;
  const auto& classes = result.at("classes");
  std::vector<std::vector<std::string>> rows = {{"class", "samples", "top-1 %", "95 % interval"}};
  for (size_t i = 0; i < classes.size(); ++i) {
    if (classes.size() > 2 * kShownAtEachEnd && i == kShownAtEachEnd) {
      rows.push_back({"... (" + std::to_string(classes.size() - 2 * kShownAtEachEnd) + " more in per_class.csv)", "", "", ""});
      i = classes.size() - kShownAtEachEnd;
    }
    const auto& c = classes[i];
    rows.push_back({c.at("class_name").get<std::string>(), std::to_string(c.at("count").get<int64_t>()), fixed_text(number_in(c, "top1"), 1), interval_text(c, "top1", 1)});
  }
  return aligned_text(rows) + "  mean over " + std::to_string(classes.size()) + " classes: " + fixed_text(number_in(result, "mean_class_top1"), 2) + " %\n";
}

}  // namespace liere
