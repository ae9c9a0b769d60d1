// The text of test `detection`.
#include "core/log.h"
#include "train/eval/tests.h"
#include "train/eval/text.h"

namespace liere {
namespace {

using nlohmann::json;

struct Line {
  const char* text;
  const char* key;
  int decimals;
};
// Of one finding. The order is that of questions: is anything learned at all, how well are findings ranked, what does the threshold do, can probabilities be believed.
constexpr Line kLines[] = {
    {"accuracy %, at 0.5", "accuracy", 2},
    {"majority baseline %", "majority", 2},
    {"accuracy - majority, points", "over_majority", 2},
    {"balanced accuracy %, at 0.5", "balanced_accuracy", 2},
    {"AUROC", "auroc", 4},
    {"average precision", "average_precision", 4},
    {"prevalence %", "prevalence", 2},
    {"sensitivity %, at the threshold", "sensitivity", 2},
    {"specificity %, at the threshold", "specificity", 2},
    {"accuracy %, at the threshold", "threshold_accuracy", 2},
    {"balanced accuracy %, at the threshold", "threshold_balanced_accuracy", 2},
    {"sensitivity %, on the test part's own curve", "curve_sensitivity", 2},
    {"Brier, of the finding's probability", "brier", 4},
    {"ECE, of the finding's probability", "ece", 4},
};

std::string one_finding(const json& finding) {
  std::vector<std::vector<std::string>> rows = {{finding.at("name").get<std::string>(), "value", "95 % interval"}};
  for (const auto& line : kLines)
    if (!finding.at(line.key).is_null()) rows.push_back({line.text, fixed_text(number_in(finding, line.key), line.decimals), interval_text(finding, line.key, line.decimals)});
  return aligned_text(rows);
}

std::string several_findings(const json& result) {
  std::vector<std::vector<std::string>> rows = {{"label", "positives", "AUROC", "95 % interval", "AP", "sensitivity %", "specificity %", "accuracy %", "majority %"}};
  const auto add = [&rows](const json& of, const std::string& name, const std::string& positives) {
    rows.push_back({name, positives, fixed_text(number_in(of, "auroc"), 4), interval_text(of, "auroc", 4), fixed_text(number_in(of, "average_precision"), 4), fixed_text(number_in(of, "sensitivity"), 2),
                    fixed_text(number_in(of, "specificity"), 2), fixed_text(number_in(of, "accuracy"), 2), fixed_text(number_in(of, "majority"), 2)});
  };
  for (const auto& finding : result.at("findings")) add(finding, finding.at("name").get<std::string>(), format_count(finding.at("positives").get<int64_t>()));
  const auto& together = result.at("together");
  add(together, "mean over " + std::to_string(together.at("labels").get<int64_t>()) + " labels", "");
  const std::string whole = aligned_text({{"", "value", "95 % interval"},
                                          {"all labels right %, at 0.5", fixed_text(number_in(together, "all_right"), 2), interval_text(together, "all_right", 2)},
                                          {"most frequent set of labels %", fixed_text(number_in(together, "most_frequent_set"), 2), interval_text(together, "most_frequent_set", 2)},
                                          {"difference, points", fixed_text(number_in(together, "over_most_frequent_set"), 2), interval_text(together, "over_most_frequent_set", 2)}});
  return aligned_text(rows) + "\n" + whole;
}

std::string thresholds(const json& result) {
  const std::string specificity = fixed_text(number_in(result, "target_specificity"), 1) + " %";
  if (result.at("validation").is_null())
    return "  no threshold: there is no validation part to choose it on (data.holdout); the test part's own curve is at specificity " + specificity + "\n";
  std::string text;
  for (const auto& finding : result.at("findings")) text += (text.empty() ? "" : ", ") + finding.at("name").get<std::string>() + " " + fixed_text(number_in(finding, "threshold"), 4);
  return "  threshold for specificity " + specificity + " on " + format_count(result.at("validation").at("count").get<int64_t>()) + " samples of the validation part: " + text + "\n";
}

/// What of the intervals was not to be had from every resample.
std::string left_out(const json& result) {
  std::string text;
  const auto add = [&](const json& of, const std::string& name) {
    int64_t most = 0;
    const json counts = of.value("resamples_left_out", json::object());
    for (const auto& count : counts) most = std::max(most, count.get<int64_t>());
    if (most > 0)
      text += "  " + name + ": up to " + format_count(most) + " of " + format_count(result.at("bootstrap").at("resamples").get<int64_t>()) + " resamples had one class only and were left out of an interval\n";
  };
  for (const auto& finding : result.at("findings")) add(finding, finding.at("name").get<std::string>());
  if (result.contains("together")) add(result.at("together"), "mean");
  return text;
}

}  // namespace

std::string describe_detection(const json& result) {
  const auto count = result.at("count").get<int64_t>(), groups = result.at("groups").get<int64_t>();
  const std::string unit = groups == count ? "samples" : format_count(groups) + " groups of " + format_count(count) + " samples";
  const std::string body = result.at("multi_label").get<bool>() ? several_findings(result) : one_finding(result.at("findings").at(0));
  return body + thresholds(result) + left_out(result) + "  intervals resample " + unit + "; scores.csv holds every sample\n";
}

}  // namespace liere
