// Tests of predictions on rows made by hand: CSV, accuracy, per-class, confusion, calibration, predict.
#include <numeric>

#include "core/check.h"
#include "core/files.h"
#include "support/catch.h"
#include "support/fixtures.h"
#include "support/matchers.h"
#include "train/eval/calibration.h"
#include "train/eval/confusion.h"
#include "train/eval/scores.h"
#include "train/eval/tests.h"
#include "train/eval_rows.h"

using namespace liere;
using namespace liere::test;

TEST_CASE("samples.csv gives every row back, bit for bit, and refuses what is no row", "[eval]") {
  TemporaryFolder folder;
  auto rows = random_rows(50, 0.6, 1);
  rows[3].loss = rows[3].brier = std::nan("");
  rows[4].view = 2;
  const auto file = folder.path() / "samples.csv";
  write_file_atomically(file, samples_csv(rows));
  const auto back = read_samples_csv(file);
  REQUIRE(back.size() == rows.size());
  for (size_t i = 0; i < rows.size(); ++i) {
    CHECK((back[i].sample == rows[i].sample && back[i].view == rows[i].view && back[i].label == rows[i].label));
    CHECK((back[i].top == rows[i].top && back[i].probability == rows[i].probability));
    if (i != 3) CHECK((back[i].loss == rows[i].loss && back[i].brier == rows[i].brier));
  }
  CHECK(std::isnan(back[3].loss));
  const auto text = samples_csv(rows);
  write_file_atomically(file, text.substr(0, text.size() - 5));
  CHECK_THROWS_WITH(read_samples_csv(file), has("samples.csv:51"));
  write_file_atomically(file, text + "1,2,3\n");
  CHECK_THROWS_WITH(read_samples_csv(file), has("samples.csv:52"));
  write_file_atomically(file, "a,b\n1,2\n");
  CHECK_THROWS_WITH(read_samples_csv(file), has("samples.csv:1"));
  CHECK(csv_field("a, \"b\"") == "\"a, \"\"b\"\"\"");
}

TEST_CASE("accuracy: percent, intervals around the value, the same every time", "[eval]") {
  const auto predictions = predictions_of(random_rows(800, 0.7, 2));
  int64_t correct = 0;
  for (const auto& row : predictions.rows) correct += row.label == row.top[0];
  const auto output = accuracy_test(predictions);
  const auto& result = output.result;
  CHECK(result.at("top1").get<double>() == 100.0 * static_cast<double>(correct) / 800);
  CHECK(result.at("top5") == 100);  // four classes
  for (const std::string key : {"top1", "loss"}) {
    CHECK(result.at(key + "_interval")[0] < result.at(key));
    CHECK(result.at(key) < result.at(key + "_interval")[1]);
  }
  CHECK(result.at("bootstrap").at("resamples") == 200);
  CHECK(result == accuracy_test(predictions).result);
  CHECK(output.files.at("samples.csv") == samples_csv(predictions.rows));
}

TEST_CASE("relative drop: of the means, with a paired interval", "[eval]") {
  const auto before = outcomes_of(random_rows(500, 0.8, 3)), after = outcomes_of(random_rows(500, 0.4, 4));
  const auto drop = relative_drop(before, after, 500);
  const double expected = 100 * (scores(before, 0).at("top1").get<double>() - scores(after, 0).at("top1").get<double>()) / scores(before, 0).at("top1").get<double>();
  CHECK(drop.at("relative_drop").get<double>() == Approx(expected));
  CHECK(drop.at("relative_drop_interval")[0].get<double>() < expected);
  CHECK(drop.at("relative_drop_interval")[1].get<double>() > expected);
  const auto none = relative_drop(before, before, 100);
  CHECK(none.at("relative_drop_interval") == nlohmann::json({0.0, 0.0}));
  const auto both = mean_of({before, after});
  for (size_t i = 0; i < both.top1.size(); ++i) REQUIRE(both.top1[i] == (before.top1[i] + after.top1[i]) / 2);
}

TEST_CASE("confusion: rows add up to the classes' counts, the diagonal to the right ones", "[eval]") {
  const auto predictions = predictions_of(random_rows(403, 0.5, 5));
  const auto counts = confusion_counts(predictions.rows, 4);
  int64_t diagonal = 0, right = 0, errors = 0;
  for (int64_t label = 0; label < 4; ++label) {
    const auto& row = counts[static_cast<size_t>(label)];
    CHECK(std::accumulate(row.begin(), row.end(), int64_t{0}) == (403 + 3 - label) / 4);
    diagonal += row[static_cast<size_t>(label)];
  }
  for (const auto& row : predictions.rows) right += row.correct1();
  CHECK(diagonal == right);
  const auto pairs = confused_pairs(counts);
  for (size_t i = 0; i < pairs.size(); ++i) {
    errors += pairs[i].count;
    CHECK(pairs[i].label != pairs[i].predicted);
    if (i > 0) CHECK(pairs[i].count <= pairs[i - 1].count);
  }
  CHECK(errors == 403 - right);
  const auto output = confusion_test(predictions);
  CHECK(output.result.at("errors") == errors);
  CHECK_THAT(output.files.at("confusion.csv"), has("label \\ predicted,up,right,down,left\nup," + std::to_string(counts[0][0]) + ","));
  CHECK_THROWS_AS(confusion_counts(predictions.rows, 3), DataError);
}

TEST_CASE("per class: sorted by accuracy, every sample once", "[eval]") {
  std::vector<Row> rows;
  for (int64_t i = 0; i < 30; ++i) rows.push_back(make_row(i, i % 3, i < 10 * (i % 3 + 1) ? i % 3 : 3, 0.9));
  const auto result = per_class_test(predictions_of(rows)).result;
  const auto& classes = result.at("classes");
  REQUIRE(classes.size() == 3);  // "left" does not occur
  CHECK(classes[0].at("class_name") == "up");
  CHECK(classes[0].at("correct") == 4);  // 0, 3, 6, 9
  CHECK(classes[1].at("correct") == 7);  // 1, 4, .., 19
  CHECK(classes[2].at("top1") == 100);
  CHECK(result.at("mean_class_top1").get<double>() == Approx((40 + 70 + 100) / 3.0));
}

TEST_CASE("calibration: ECE, MCE, Brier and NLL of a case worked out by hand", "[eval]") {
  // Confidence 0.9 (bin 14): 4 samples, 3 right: gap 0.15. Confidence 0.5 (bin 8): 6 samples, 2 right: gap 1/6. ECE = 0.4 * 0.15 + 0.6 / 6 = 0.16.
  std::vector<Row> rows;
  for (int64_t i = 0; i < 4; ++i) rows.push_back(make_row(i, i < 3 ? 0 : 1, 0, 0.9));
  for (int64_t i = 4; i < 10; ++i) rows.push_back(make_row(i, i < 6 ? 2 : 3, 2, 0.5));
  const auto c = calibrate(rows);
  CHECK(c.ece == Approx(0.16));
  CHECK(c.mce == Approx(1.0 / 6));
  CHECK(c.accuracy == Approx(0.5));
  CHECK(c.confidence == Approx(0.4 * 0.9 + 0.6 * 0.5));
  REQUIRE(c.bins.size() == 15);
  CHECK(c.bins[13].count == 4);
  CHECK(c.bins[7].count == 6);
  CHECK(c.bins[13].accuracy == Approx(0.75));
  int64_t counted = 0;
  for (const auto& bin : c.bins) counted += bin.count;
  CHECK(counted == 10);
  // Brier of (0.9 right, 0.9 wrong, 0.5 right, 0.5 wrong); a third of the rest goes to each other class.
  const auto brier = [](double p, bool right) { return p * p + (1 - p) * (1 - p) / 3 - 2 * (right ? p : (1 - p) / 3) + 1; };
  CHECK(c.brier == Approx((3 * brier(0.9, true) + brier(0.9, false) + 2 * brier(0.5, true) + 4 * brier(0.5, false)) / 10));
  CHECK(c.nll == Approx(-(3 * std::log(0.9) + std::log(0.1 / 3) + 2 * std::log(0.5) + 4 * std::log(0.5 / 3)) / 10));
  // The edges: a bin holds its upper end, certainty is in the last.
  CHECK(calibrate(std::vector<Row>{make_row(0, 0, 0, 1.0)}).bins[14].count == 1);
  CHECK(calibrate(std::vector<Row>{make_row(0, 0, 0, 0.5)}, 2).bins[0].count == 1);
  // Perfectly calibrated: 7 of 10 right at 0.7.
  std::vector<Row> perfect;
  for (int64_t i = 0; i < 10; ++i) perfect.push_back(make_row(i, i < 7 ? 0 : 1, 0, 0.7));
  CHECK(calibrate(perfect).ece == Approx(0).margin(1e-12));
}

TEST_CASE("predict: names and classes of every sample, from rows without labels", "[eval]") {
  auto predictions = predictions_of({make_row(5, -1, 2, 0.7), make_row(9, -1, 0, 0.55)});
  predictions.sample_names = {"one.png", "two, three.png"};
  const auto output = predict_test(predictions);
  const auto& csv = output.files.at("predictions.csv");
  CHECK_THAT(csv, has("\n5,0,one.png,2,down,0.7,0,up,"));
  CHECK_THAT(csv, has("\n9,0,\"two, three.png\",0,up,0.55,"));
  CHECK(output.result.at("predicted")[2].at("count") == 1);
  CHECK_THAT(describe_predict(output.result), has("down"));
}

TEST_CASE("every test has a sentence and a text, and a typo is answered with the nearest name", "[eval]") {
  CHECK(eval_tests().size() == 13);
  for (const auto& test : eval_tests()) {
    CHECK(&find_eval_test(std::string(test.name)) == &test);
    CHECK_THAT(list_eval_tests(), has(std::string(test.sentence)));
  }
  CHECK_THROWS_WITH(find_eval_test("confusoin"), has("'confusion'"));
  CHECK_THROWS_AS(find_eval_test("xyz"), ConfigError);
}
