#include "train/eval/detection.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "core/binary_metrics.h"
#include "core/check.h"
#include "train/eval/calibration.h"
#include "train/eval/detection_plots.h"
#include "train/eval/scores.h"
#include "train/eval/text.h"

namespace liere {
namespace {

using nlohmann::json;
using Weights = std::span<const double>;

constexpr double kEven = 0.5;  // the threshold of "more probable than not"

struct Metric {
  const char* key;
  double scale;  // 100: percent
  double (*value)(const Finding& finding, double specificity, Weights weights);
};

double at_threshold(const Finding& finding, Weights weights, double (BinaryCounts::*of)() const) {
  return finding.threshold ? (finding.test.at(*finding.threshold, weights).*of)() : std::nan("");
}

constexpr Metric kMetrics[] = {
    {"accuracy", 100, [](const Finding& f, double, Weights w) { return f.test.at(kEven, w).accuracy(); }},
    {"majority", 100, [](const Finding& f, double, Weights w) { return f.test.majority(w); }},
    {"over_majority", 100, [](const Finding& f, double, Weights w) { return f.test.at(kEven, w).accuracy() - f.test.majority(w); }},
    {"balanced_accuracy", 100, [](const Finding& f, double, Weights w) { return f.test.at(kEven, w).balanced_accuracy(); }},
    {"auroc", 1, [](const Finding& f, double, Weights w) { return f.test.auroc(w); }},
    {"average_precision", 1, [](const Finding& f, double, Weights w) { return f.test.average_precision(w); }},
    {"prevalence", 100, [](const Finding& f, double, Weights w) { return f.test.prevalence(w); }},
    {"sensitivity", 100, [](const Finding& f, double, Weights w) { return at_threshold(f, w, &BinaryCounts::sensitivity); }},
    {"specificity", 100, [](const Finding& f, double, Weights w) { return at_threshold(f, w, &BinaryCounts::specificity); }},
    {"threshold_accuracy", 100, [](const Finding& f, double, Weights w) { return at_threshold(f, w, &BinaryCounts::accuracy); }},
    {"threshold_balanced_accuracy", 100, [](const Finding& f, double, Weights w) { return at_threshold(f, w, &BinaryCounts::balanced_accuracy); }},
    {"curve_sensitivity", 100, [](const Finding& f, double s, Weights w) { return f.test.sensitivity_at_specificity(s, w); }},
    {"brier", 1, [](const Finding& f, double, Weights w) { return f.test.brier(w); }},
    {"ece", 1, [](const Finding& f, double, Weights w) { return f.test.calibration_error(kCalibrationBins, w); }},
};
constexpr const char* kAveraged[] = {"auroc", "average_precision", "balanced_accuracy", "sensitivity", "specificity"};

/// Column c of the scores.
BinaryScores column(const ClassScores& scores, int64_t c) {
  std::vector<double> probability;
  std::vector<uint8_t> labels;
  for (int64_t i = 0; i < scores.size(); ++i) {
    const auto at = static_cast<size_t>(i * scores.classes + c);
    if (std::isnan(scores.probability[at]))
      throw DivergedError("The model's output for sample " + std::to_string(scores.samples[static_cast<size_t>(i)]) + " is no number: the weights have diverged. Evaluate an earlier checkpoint.");
    probability.push_back(scores.probability[at]);
    labels.push_back(scores.targets[at] >= 0.5);
  }
  return {probability, labels};
}

std::vector<Finding> findings_of(const Detection& d) {
  std::vector<Finding> findings;
  for (int64_t c = d.multi_label ? 0 : 1; c < d.test.scores.classes; ++c) {
    Finding finding{d.class_names.at(static_cast<size_t>(c)), column(d.test.scores, c), std::nullopt};
    if (d.validation) {
      const double threshold = column(d.validation->scores, c).threshold_at_specificity(d.specificity);
      if (!std::isnan(threshold)) finding.threshold = threshold;
    }
    findings.push_back(std::move(finding));
  }
  return findings;
}

/// Whether all labels of each sample are right, and which of the sets of labels that occur is its own.
struct WholeSets {
  std::vector<double> right;
  std::vector<size_t> set;
  size_t sets = 0;

  explicit WholeSets(const ClassScores& scores) {
    std::map<std::vector<bool>, size_t> known;
    const auto classes = static_cast<size_t>(scores.classes);
    for (size_t i = 0; i < scores.samples.size(); ++i) {
      std::vector<bool> present(classes), called(classes);
      for (size_t c = 0; c < classes; ++c) {
        present[c] = scores.targets[i * classes + c] >= kEven;
        called[c] = scores.probability[i * classes + c] >= kEven;
      }
      right.push_back(present == called);
      set.push_back(known.emplace(present, known.size()).first->second);
    }
    sets = known.size();
  }
  double share_right(Weights weights) const {
    double sum = 0, total = 0;
    for (size_t i = 0; i < right.size(); ++i) {
      const double weight = weights.empty() ? 1 : weights[i];
      sum += weight * right[i];
      total += weight;
    }
    return sum / total;
  }
  double most_frequent(Weights weights) const {
    std::vector<double> of(sets, 0.0);
    double total = 0;
    for (size_t i = 0; i < set.size(); ++i) {
      const double weight = weights.empty() ? 1 : weights[i];
      of[set[i]] += weight;
      total += weight;
    }
    return *std::max_element(of.begin(), of.end()) / total;
  }
};

/// Figures by name: of the samples as they are, then of every resample.
class Figures {
 public:
  void add(const std::string& key, double value) {
    auto [found, fresh] = values_.try_emplace(key);
    if (!fresh) {
      found->second.second.push_back(value);
      return;
    }
    keys_.push_back(key);
    found->second.first = value;
  }
  json object() const {
    json object = json::object(), left_out = json::object();
    for (const auto& key : keys_) {
      const auto& [value, resampled] = values_.at(key);
      object[key] = std::isnan(value) ? json() : json(value);
      const auto [interval, undefined] = defined_interval(resampled);
      object[key + "_interval"] = interval_json(interval);
      if (undefined > 0 && !std::isnan(value)) left_out[key] = undefined;
    }
    if (!left_out.empty()) object["resamples_left_out"] = left_out;
    return object;
  }

 private:
  std::vector<std::string> keys_;
  std::map<std::string, std::pair<double, std::vector<double>>> values_;
};

/// Everything that is measured with these weights, added to the figures of each finding and of all together.
class Measurement {
 public:
  Measurement(const Detection& detection, const std::vector<Finding>& findings) : detection_(detection), findings_(findings), sets_(detection.test.scores), figures_(findings.size()) {
    for (const auto& finding : findings) both_classes_.push_back(finding.test.prevalence() > 0 && finding.test.prevalence() < 1);
  }
  void add(Weights weights) {
    std::map<std::string, double> sums;
    for (size_t i = 0; i < findings_.size(); ++i)
      for (const auto& metric : kMetrics) {
        const double value = metric.scale * metric.value(findings_[i], detection_.specificity, weights);
        figures_[i].add(metric.key, value);
        if (both_classes_[i]) sums[metric.key] += value;
      }
    if (!detection_.multi_label) return;
    for (const auto* key : kAveraged) together_.add(key, averaged() ? sums[key] / static_cast<double>(averaged()) : std::nan(""));
    const double right = 100 * sets_.share_right(weights), most_frequent = 100 * sets_.most_frequent(weights);
    together_.add("all_right", right);
    together_.add("most_frequent_set", most_frequent);
    together_.add("over_most_frequent_set", right - most_frequent);
  }
  json finding(size_t i) const { return figures_[i].object(); }
  json together() const {
    auto object = together_.object();
    object["labels"] = averaged();
    return object;
  }

 private:
  int64_t averaged() const { return std::count(both_classes_.begin(), both_classes_.end(), true); }

  const Detection& detection_;
  const std::vector<Finding>& findings_;
  WholeSets sets_;
  std::vector<bool> both_classes_;  // averages are over findings that the test part has with and without
  std::vector<Figures> figures_;
  Figures together_;
};

void add_lines(std::string& csv, const DetectionPart& part, const std::string& name, int64_t first) {
  const auto& scores = part.scores;
  for (int64_t i = 0; i < scores.size(); ++i) {
    csv += name + "," + std::to_string(scores.samples[static_cast<size_t>(i)]) + "," + std::to_string(part.groups[static_cast<size_t>(i)]);
    for (int64_t c = first; c < scores.classes; ++c) {
      const auto at = static_cast<size_t>(i * scores.classes + c);
      csv += "," + csv_number(scores.targets[at]) + "," + csv_number(scores.probability[at]);
    }
    csv += "\n";
  }
}

/// Every sample of both parts. Group numbers are of one part each.
std::string scores_csv(const Detection& d) {
  std::string csv = "part,sample,group";
  const int64_t first = d.multi_label ? 0 : 1;
  for (int64_t c = first; c < d.test.scores.classes; ++c)
    for (const char* what : {"label ", "probability "}) csv += "," + csv_field(what + d.class_names.at(static_cast<size_t>(c)));
  csv += "\n";
  add_lines(csv, d.test, "test", first);
  if (d.validation) add_lines(csv, *d.validation, "validation", first);
  return csv;
}

int64_t groups_in(const DetectionPart& part) { return 1 + *std::max_element(part.groups.begin(), part.groups.end()); }

}  // namespace

void require_findings(int64_t classes, bool multi_label) {
  if (multi_label || classes == 2) return;
  throw ConfigError("--test detection is about two classes, or several labels a sample, but this model tells " + std::to_string(classes) + " classes apart. Use --test per-class or confusion.");
}

TestOutput detect(const Detection& d) {
  require_findings(d.test.scores.classes, d.multi_label);
  const auto findings = findings_of(d);
  Measurement measurement(d, findings);
  measurement.add({});
  each_group_resample(d.test.groups, d.resamples, kBootstrapSeed, [&measurement](Weights weights) { measurement.add(weights); });

  TestOutput output;
  auto list = json::array();
  for (size_t i = 0; i < findings.size(); ++i) {
    auto object = measurement.finding(i);
    object["name"] = findings[i].name;
    object["positives"] = std::llround(findings[i].test.prevalence() * static_cast<double>(d.test.scores.size()));
    object["threshold"] = findings[i].threshold ? json(*findings[i].threshold) : json();
    list.push_back(object);
  }
  output.result = {{"findings", list}, {"groups", groups_in(d.test)}, {"count", d.test.scores.size()}, {"target_specificity", 100 * d.specificity}, {"multi_label", d.multi_label},
                   {"validation", nullptr}, {"bootstrap", bootstrap_statement(d.resamples)}};
  output.result["bootstrap"]["unit"] = "group";
  if (d.validation) output.result["validation"] = {{"part", d.validation_name}, {"count", d.validation->scores.size()}, {"groups", groups_in(*d.validation)}};
  if (d.multi_label) output.result["together"] = measurement.together();
  output.files["scores.csv"] = scores_csv(d);
  output.plots = {roc_plot(findings), finding_reliability_plot(findings)};
  return output;
}

}  // namespace liere
