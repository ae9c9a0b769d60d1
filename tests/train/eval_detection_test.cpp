// Test `detection` and samples with several labels, on scores made by hand.
#include <algorithm>
#include <cmath>
#include <numeric>
#include <set>
#include <sstream>

#include "core/binary_metrics.h"
#include "core/check.h"
#include "core/gnuplot.h"
#include "core/rng.h"
#include "support/catch.h"
#include "support/fixtures.h"
#include "support/matchers.h"
#include "train/eval/detection.h"
#include "train/eval/label_sets.h"
#include "train/eval_rows.h"

using namespace liere;
using namespace liere::test;
using nlohmann::json;

namespace {

/// Two classes: probability of the second, and the label.
DetectionPart two_class_part(const std::vector<double>& probability, const std::vector<int>& labels, std::vector<int64_t> groups = {}) {
  DetectionPart part;
  part.scores.classes = 2;
  for (size_t i = 0; i < probability.size(); ++i) {
    part.scores.samples.push_back(static_cast<int64_t>(i));
    for (const double p : {1 - probability[i], probability[i]}) part.scores.probability.push_back(p);
    for (const double t : {1.0 - labels[i], 1.0 * labels[i]}) part.scores.targets.push_back(t);
    if (groups.size() < probability.size()) groups.push_back(static_cast<int64_t>(i));
  }
  part.groups = std::move(groups);
  return part;
}

Detection two_classes(DetectionPart test, std::optional<DetectionPart> validation = std::nullopt) {
  return {{"negative", "positive"}, false, std::move(test), std::move(validation), "made by hand", 0.75, 200};
}

/// n samples of patients with one to four each, three labels: common, rarer, rare.
DetectionPart several_labels(int64_t n, uint64_t seed) {
  DetectionPart part;
  part.scores.classes = 3;
  int64_t group = 0;
  for (int64_t i = 0; i < n; ++i) {
    Rng rng(seed, Purpose::kHoldout, static_cast<uint32_t>(i));
    if (i > 0 && rng.coin(0.4)) ++group;
    part.groups.push_back(group);
    part.scores.samples.push_back(i);
    for (const double share : {0.5, 0.2, 0.08}) {
      const bool present = rng.coin(share);
      part.scores.targets.push_back(present);
      part.scores.probability.push_back(1 / (1 + std::exp(-(rng.normal() + (present ? 1.5 : -1)))));
    }
  }
  return part;
}

Detection several(int64_t n) { return {{"any", "epidural", "subdural"}, true, several_labels(n, 1), several_labels(n / 2, 2), "made by hand", 0.9, 100}; }

double percent(const json& object, const char* key) { return object.at(key).get<double>(); }

}  // namespace

TEST_CASE("the most probable sets of labels are those of all sets enumerated", "[eval][detection]") {
  for (uint32_t seed = 0; seed < 60; ++seed) {
    Rng rng(7, Purpose::kHoldout, seed);
    std::vector<double> p(1 + seed % 7);
    for (auto& value : p) value = rng.uniform(0.02, 0.98);
    std::vector<std::pair<double, int64_t>> sets;
    for (int64_t set = 0; set < int64_t{1} << p.size(); ++set) {
      double probability = 1;
      for (size_t c = 0; c < p.size(); ++c) probability *= set >> c & 1 ? p[c] : 1 - p[c];
      sets.emplace_back(-probability, set);
    }
    std::sort(sets.begin(), sets.end());
    const auto likely = likely_sets(p);
    CHECK(likely.sets[0] == set_number(p));
    for (size_t k = 0; k < kTopClasses; ++k) {
      INFO(p.size() << " classes, set " << k);
      if (k >= sets.size()) {
        CHECK((likely.sets[k] == -1 && likely.probability[k] == 0));
        continue;
      }
      CHECK(likely.sets[k] == sets[k].second);
      CHECK(likely.probability[k] == Approx(-sets[k].first).epsilon(1e-12));
    }
  }
}

TEST_CASE("sets of labels: one half is a yes, certainty and what is no number are no trouble", "[eval][detection]") {
  CHECK(set_number(std::vector<double>{1, 0, 1, 1}) == 0b1101);
  CHECK(set_number(std::vector<double>{0.5, 0.49}) == 0b01);
  const auto certain = likely_sets(std::vector<double>{1, 0, 1});
  CHECK((certain.sets[0] == 0b101 && certain.probability[0] == 1 && certain.probability[1] == 0));
  CHECK(std::set<int64_t>(certain.sets.begin(), certain.sets.end()).size() == kTopClasses);
  const auto diverged = likely_sets(std::vector<double>{std::nan(""), 0.9});
  CHECK(std::isnan(diverged.probability[0]));
  CHECK(diverged.sets[0] == 0b10);
  std::vector<double> many(static_cast<size_t>(kMostLabels), 0.9);
  CHECK(likely_sets(many).sets[0] == (int64_t{1} << kMostLabels) - 1);
}

TEST_CASE("detection of two classes: every figure of a case worked out by hand", "[eval][detection]") {
  // Validation: negatives .1 .2 .3 .6; three of them lie below .4, the lowest score above the third: 0.75 is kept there.
  const auto validation = two_class_part({0.1, 0.2, 0.3, 0.6, 0.4, 0.7}, {0, 0, 0, 0, 1, 1});
  // Test: positives .9 .45 .2, negatives .1 .3 .4 .55 .05. Of 15 pairs .45 loses to .55 and .2 to .3, .4, .55: 11 are the right way round.
  const auto output = detect(two_classes(two_class_part({0.9, 0.45, 0.2, 0.1, 0.3, 0.4, 0.55, 0.05}, {1, 1, 1, 0, 0, 0, 0, 0}), validation));
  const auto& result = output.result;
  REQUIRE(result.at("findings").size() == 1);
  const auto& f = result.at("findings")[0];
  CHECK(f.at("name") == "positive");
  CHECK(f.at("positives") == 3);
  CHECK(f.at("threshold") == 0.4);
  CHECK(percent(f, "auroc") == Approx(11.0 / 15));
  CHECK(percent(f, "accuracy") == Approx(100 * 5.0 / 8));       // wrong: .45, .2, .55
  CHECK(percent(f, "majority") == Approx(100 * 5.0 / 8));
  CHECK(percent(f, "over_majority") == Approx(0).margin(1e-12));
  CHECK(percent(f, "balanced_accuracy") == Approx(100 * (1.0 / 3 + 4.0 / 5) / 2));
  CHECK(percent(f, "sensitivity") == Approx(100 * 2.0 / 3));    // .9 and .45
  CHECK(percent(f, "specificity") == Approx(100 * 3.0 / 5));    // .4 and .55 are called
  CHECK(percent(f, "threshold_accuracy") == Approx(100 * 5.0 / 8));
  CHECK(percent(f, "threshold_balanced_accuracy") == Approx(100 * (2.0 / 3 + 3.0 / 5) / 2));
  CHECK(percent(f, "curve_sensitivity") == Approx(100 * 2.0 / 3));  // at .45: four of five negatives below
  CHECK(percent(f, "prevalence") == Approx(37.5));
  // .9 (1 of 1), .55, .45 (2 of 3), .4, .3, .2 (3 of 6).
  CHECK(percent(f, "average_precision") == Approx((1 + 2.0 / 3 + 0.5) / 3));
  CHECK(percent(f, "brier") == Approx((0.01 + 0.3025 + 0.64 + 0.01 + 0.09 + 0.16 + 0.3025 + 0.0025) / 8));
  CHECK(f.at("auroc_interval")[0] < f.at("auroc"));
  CHECK(f.at("auroc") < f.at("auroc_interval")[1]);
  CHECK(result.at("groups") == 8);
  CHECK(result.at("validation").at("count") == 6);
  CHECK_THAT(describe_detection(result), has("AUROC") && has("0.7333") && has("threshold for specificity 75.0 %") && has("positive 0.4000"));
  CHECK(output.files.at("scores.csv").starts_with("part,sample,group,label positive,probability positive\ntest,0,0,1,0.9\ntest,1,1,1,0.45\n"));
}

TEST_CASE("detection: intervals are the percentiles of resampled groups, of one class only are left out", "[eval][detection]") {
  std::vector<double> probability;
  std::vector<int> labels;
  std::vector<int64_t> groups;
  for (int64_t i = 0; i < 60; ++i) {
    Rng rng(9, Purpose::kHoldout, static_cast<uint32_t>(i));
    labels.push_back(i < 6);  // of two groups
    probability.push_back(rng.uniform(0, 0.7) + 0.3 * labels.back());
    groups.push_back(i / 3);
  }
  const auto detection = two_classes(two_class_part(probability, labels, groups));
  const auto result = detect(detection).result;
  const auto& f = result.at("findings")[0];
  const std::vector<uint8_t> bytes(labels.begin(), labels.end());
  const BinaryScores sorted(probability, bytes);
  std::vector<double> areas;
  each_group_resample(groups, detection.resamples, 0, [&](std::span<const double> weights) { areas.push_back(sorted.auroc(weights)); });
  const auto [interval, left_out] = defined_interval(areas);
  CHECK(left_out > 0);
  CHECK(f.at("resamples_left_out").at("auroc") == left_out);
  CHECK_FALSE(f.at("resamples_left_out").contains("accuracy"));
  CHECK(f.at("auroc_interval")[0].get<double>() == interval.low);
  CHECK(f.at("auroc_interval")[1].get<double>() == interval.high);
  CHECK(result.at("groups") == 20);
  CHECK_THAT(describe_detection(result), has(std::to_string(left_out) + " of 200 resamples had one class only") && has("20 groups of 60 samples"));
  // Without a validation part there is no threshold, and nothing that would need one.
  CHECK(result.at("validation").is_null());
  CHECK(f.at("threshold").is_null());
  const auto stored = json::parse(result.dump());
  for (const char* key : {"sensitivity", "specificity", "threshold_accuracy"}) CHECK((stored.at("findings")[0].at(key).is_null() && f.at(std::string(key) + "_interval").is_null()));
  CHECK_THAT(describe_detection(stored), has("no threshold") && !has("at the threshold"));
  CHECK(detect(detection).result == result);
}

TEST_CASE("detection of several labels: a finding each, their mean, and all labels at once", "[eval][detection]") {
  const auto d = several(300);
  const auto result = detect(d).result;
  const auto& findings = result.at("findings");
  REQUIRE(findings.size() == 3);
  double area = 0;
  for (size_t c = 0; c < 3; ++c) {
    CHECK(findings[c].at("name") == d.class_names[c]);
    CHECK(percent(findings[c], "auroc") > 0.8);
    // The threshold is that of the validation part alone.
    std::vector<double> scores;
    std::vector<uint8_t> labels;
    for (size_t i = 0; i < d.validation->scores.samples.size(); ++i) {
      scores.push_back(d.validation->scores.probability[3 * i + c]);
      labels.push_back(d.validation->scores.targets[3 * i + c] == 1);
    }
    CHECK(findings[c].at("threshold") == BinaryScores(scores, labels).threshold_at_specificity(0.9));
    area += percent(findings[c], "auroc") / 3;
  }
  const auto& together = result.at("together");
  CHECK(together.at("labels") == 3);
  CHECK(percent(together, "auroc") == Approx(area));
  int64_t right = 0, none = 0;
  for (size_t i = 0; i < 300; ++i) {
    bool all = true, any = false;
    for (size_t c = 0; c < 3; ++c) {
      all = all && (d.test.scores.probability[3 * i + c] >= 0.5) == (d.test.scores.targets[3 * i + c] == 1);
      any = any || d.test.scores.targets[3 * i + c] == 1;
    }
    right += all;
    none += !any;
  }
  CHECK(percent(together, "all_right") == Approx(100.0 * static_cast<double>(right) / 300));
  CHECK(percent(together, "most_frequent_set") == Approx(100.0 * static_cast<double>(none) / 300));  // nothing found is the most frequent
  CHECK(percent(together, "over_most_frequent_set") == Approx(percent(together, "all_right") - percent(together, "most_frequent_set")));
  CHECK(together.at("auroc_interval")[0].get<double>() < area);
  CHECK(together.at("auroc_interval")[1].get<double>() > area);
  CHECK_THAT(describe_detection(result), has("subdural") && has("mean over 3 labels") && has("most frequent set of labels %"));
}

TEST_CASE("detection: a label that the test part never has is null, and no part of the mean", "[eval][detection]") {
  auto d = several(120);
  for (size_t i = 0; i < 120; ++i) d.test.scores.targets[3 * i + 2] = 0;
  const auto result = json::parse(detect(d).result.dump());
  CHECK(result.at("findings")[2].at("auroc").is_null());
  CHECK(result.at("findings")[2].at("auroc_interval").is_null());
  CHECK_FALSE(result.at("findings")[2].at("accuracy").is_null());
  CHECK(result.at("together").at("labels") == 2);
  CHECK(percent(result.at("together"), "auroc") == Approx((percent(result.at("findings")[0], "auroc") + percent(result.at("findings")[1], "auroc")) / 2));
  CHECK_THAT(describe_detection(result), has("mean over 2 labels"));
}

TEST_CASE("detection: scores.csv holds every sample of both parts and nothing else", "[eval][detection]") {
  const auto d = several(40);
  const auto output = detect(d);
  REQUIRE(output.files.size() == 1);
  std::istringstream csv(output.files.at("scores.csv"));
  std::string line;
  std::getline(csv, line);
  CHECK(line == "part,sample,group,label any,probability any,label epidural,probability epidural,label subdural,probability subdural");
  int64_t test = 0, validation = 0;
  while (std::getline(csv, line)) {
    const bool of_test = line.starts_with("test,");
    const auto& part = of_test ? d.test : *d.validation;
    int64_t& i = of_test ? test : validation;
    std::string expected = (of_test ? "test," : "validation,") + std::to_string(i) + "," + std::to_string(part.groups[static_cast<size_t>(i)]);
    for (size_t c = 0; c < 3; ++c)
      expected += "," + csv_number(part.scores.targets[3 * static_cast<size_t>(i) + c]) + "," + csv_number(part.scores.probability[3 * static_cast<size_t>(i) + c]);
    CHECK(line == expected);
    ++i;
  }
  CHECK((test == 40 && validation == 20));
}

TEST_CASE("detection: models of more classes and outputs that are no numbers are refused", "[eval][detection]") {
  auto d = two_classes(two_class_part({0.2, 0.7}, {0, 1}));
  d.test.scores.probability[3] = std::nan("");
  CHECK_THROWS_AS(detect(d), DivergedError);
  CHECK_THROWS_WITH(require_findings(4, false), has("4 classes") && has("per-class"));
  CHECK_THROWS_AS(require_findings(4, false), ConfigError);
  CHECK_NOTHROW(require_findings(2, false));
  CHECK_NOTHROW(require_findings(6, true));
}

TEST_CASE("detection: its pictures are drawn, also where a label is missing", "[eval][detection]") {
  TemporaryFolder folder;
  auto d = several(120);
  for (size_t i = 0; i < 120; ++i) d.test.scores.targets[3 * i + 2] = 0;
  for (const auto& output : {detect(d), detect(two_classes(two_class_part({0.2, 0.7, 0.6}, {0, 1, 0})))}) {
    REQUIRE(output.plots.size() == 2);
    for (const auto& plot : output.plots) {
      const auto drawn = draw_with_gnuplot(plot, folder.path());
      CHECK(std::filesystem::exists(folder.path() / (plot.name + ".gp")));
      if (drawn == Drawn::kYes) CHECK(std::filesystem::file_size(folder.path() / (plot.name + ".png")) > 5000);
    }
  }
}

TEST_CASE("several labels: accuracy says what it counts, predict lists every label, tests of one label are refused", "[eval][detection]") {
  Predictions predictions;
  predictions.multi_label = true;
  predictions.class_names = {"any", "epidural", "subdural"};
  predictions.resamples = 50;
  predictions.scores = several_labels(30, 4).scores;
  for (size_t i = 0; i < 30; ++i) {
    const std::span<const double> p(predictions.scores.probability.data() + 3 * i, 3), t(predictions.scores.targets.data() + 3 * i, 3);
    const auto likely = likely_sets(p);
    Row row{static_cast<int64_t>(i), 0, set_number(t), 0.5, 0.5, likely.sets, likely.probability};
    predictions.rows.push_back(row);
    predictions.sample_names.push_back("s" + std::to_string(i));
  }
  const auto accuracy = accuracy_test(predictions).result;
  CHECK(accuracy.at("multi_label") == true);
  CHECK_THAT(describe_accuracy(accuracy), has("all labels right %"));
  int64_t right = 0;
  for (const auto& row : predictions.rows) right += row.label == row.top[0];
  CHECK(accuracy.at("top1").get<double>() == Approx(100.0 * static_cast<double>(right) / 30));
  const auto predicted = predict_test(predictions);
  const auto& csv = predicted.files.at("predictions.csv");
  CHECK(std::count(csv.begin(), csv.end(), '\n') == 31);
  CHECK_THAT(csv, has("sample,name,probability of any,probability of epidural,probability of subdural\n0,s0," + csv_number(predictions.scores.probability[0]) + ","));
  int64_t found = 0;
  for (size_t i = 0; i < 30; ++i) found += predictions.scores.probability[3 * i + 1] >= 0.5;
  CHECK(predicted.result.at("predicted")[1].at("count") == found);
  CHECK_THROWS_WITH(per_class_test(predictions), has("--test detection"));
  CHECK_THROWS_WITH(confusion_test(predictions), has("--test detection"));
}
