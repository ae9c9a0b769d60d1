// Differences between methods: what is paired, what is tested, and what is said of few seeds.
#include "report/estimates.h"

#include <algorithm>
#include <cmath>

#include "core/check.h"
#include "core/rng.h"
#include "report/differences.h"
#include "report/report.h"
#include "report/run_folder.h"
#include "support/catch.h"
#include "support/fixtures.h"

using namespace liere;
using namespace liere::report;
using liere::test::make_run;
using liere::test::put;
using liere::test::put_samples;
using liere::test::TemporaryFolder;

namespace {

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

/// 1,000 samples, of which the first `right` are.
std::vector<bool> first_right(size_t right) {
  std::vector<bool> samples(1000, false);
  std::fill(samples.begin(), samples.begin() + static_cast<std::ptrdiff_t>(right), true);
  return samples;
}

std::filesystem::path run(const TemporaryFolder& temporary, const std::string& method, int64_t seed, const std::vector<bool>& right) {
  const auto folder = make_run(temporary.path() / (method + std::to_string(seed)), method, 50, true, seed);
  put_samples(folder, right);
  return folder;
}

}  // namespace

TEST_CASE("samples are read - views of one sample are its mean") {
  TemporaryFolder temporary;
  const auto path = temporary.path() / "samples.csv";
  const std::string header = "sample,view,label,loss,brier,class_1,probability_1\r\n";
  put(path, header + "0,0,3,0.5,0.1,3,0.9\r\n0,1,3,0.5,0.1,2,0.9\r\n7,0,1,nan,nan,1,0.9\r\n");
  const auto outcomes = read_outcomes(path);
  REQUIRE(outcomes);
  CHECK(outcomes->samples == std::vector<int64_t>{0, 7});
  CHECK(outcomes->labels == std::vector<int64_t>{3, 1});
  CHECK(outcomes->top1 == std::vector<double>{50, 100});
  CHECK(outcomes->mean() == 75);
  CHECK_FALSE(read_outcomes(temporary.path() / "none.csv").has_value());
  for (const std::string broken :
       {"0,0,3,0.5\r\n", "a,0,3,0.5,0.1,3,0.9\r\n", "0,0,-1,0.5,0.1,3,0.9\r\n", "0,0,3,0,0,3,1\r\n0,1,2,0,0,3,1\r\n", ""}) {
    put(path, header + broken);
    INFO(broken);
    CHECK_THROWS_AS(read_outcomes(path), DataError);
  }
  put(path, "sample,label\r\n0,1\r\n");
  CHECK_THROWS_AS(read_outcomes(path), DataError);
}

TEST_CASE("one seed each: a paired interval and McNemar of two runs, no p of methods") {
  TemporaryFolder temporary;
  // The second has 60 samples right that the first has not, and lacks none: exactly one side has 60 alone.
  const auto runs = read_runs({run(temporary, "A", 0, first_right(500)), run(temporary, "B", 0, first_right(560))});
  const auto groups = group_by_seed(runs);
  const auto comparisons = Estimates(runs).comparisons(groups);
  REQUIRE(comparisons.size() == 1);
  const Comparison& comparison = comparisons[0];
  CHECK(comparison.difference == Approx(6));
  CHECK(comparison.over == "samples");
  CHECK_FALSE(comparison.flips.has_value());
  REQUIRE(comparison.mcnemar);
  CHECK(comparison.mcnemar->only_second == 60);
  CHECK(comparison.mcnemar->only_first == 0);
  REQUIRE(comparison.interval);
  const double half = 1.96 * 100 * std::sqrt(0.06 * 0.94 / 1000);  // of 1,000 paired outcomes, 60 of which differ
  CHECK(comparison.interval->low == Approx(6 - half).margin(0.25).epsilon(0));
  CHECK(comparison.interval->high == Approx(6 + half).margin(0.25).epsilon(0));
  const Table table = differences_table(comparisons);
  CHECK(table.rows[0].back() == "two runs, not two methods");
  CHECK(contains(text(table), "another seed may turn the difference around"));
}

TEST_CASE("three seeds: the smallest p is 0.25, and the text says so") {
  TemporaryFolder temporary;
  std::vector<std::filesystem::path> folders;
  for (int64_t seed = 0; seed < 3; ++seed) {
    folders.push_back(run(temporary, "A", seed, first_right(500 + 2 * static_cast<size_t>(seed))));
    folders.push_back(run(temporary, "B", seed, first_right(600 + static_cast<size_t>(seed))));
    folders.push_back(run(temporary, "C", seed, first_right(550)));
  }
  const auto runs = read_runs(folders);
  const auto groups = group_by_seed(runs);
  const auto comparisons = Estimates(runs).comparisons(groups);
  REQUIRE(comparisons.size() == 3);
  CHECK(comparisons[0].difference == Approx(9.9));
  REQUIRE(comparisons[0].flips);
  CHECK(comparisons[0].flips->p == 0.25);
  CHECK(comparisons[0].p_holm == 0.75);
  CHECK(comparisons[0].over == "seeds and samples");
  CHECK_FALSE(comparisons[0].mcnemar.has_value());
  const Table table = differences_table(comparisons);
  CHECK(table.rows[0].back() == "not shown: 3 seeds cannot show it");
  CHECK(contains(text(table), "It cannot fall below 0.250 with 3 seeds"));
  CHECK(contains(text(table), "corrected for the 3 tests"));
}

TEST_CASE("eight seeds show a difference that is always there, and none that is not") {
  TemporaryFolder temporary;
  std::vector<std::filesystem::path> folders;
  for (int64_t seed = 0; seed < 8; ++seed) {
    const auto turn = static_cast<size_t>(seed);
    folders.push_back(run(temporary, "A", seed, first_right(500 + 3 * turn)));
    folders.push_back(run(temporary, "B", seed, first_right(540 + 3 * turn + turn % 3)));
    folders.push_back(run(temporary, "C", seed, first_right(500 + 3 * turn + (turn % 2 ? 5 : -5))));
  }
  const auto runs = read_runs(folders);
  const auto groups = group_by_seed(runs);
  const auto comparisons = Estimates(runs).comparisons(groups);
  REQUIRE(comparisons.size() == 3);
  CHECK(comparisons[0].flips->p == 0.0078125);  // 2 / 2^8
  CHECK(comparisons[0].p_holm == Approx(0.0234375));
  CHECK(comparisons[1].flips->p == 1);
  const Table table = differences_table(comparisons);
  CHECK(contains(table.rows[0].back(), "a difference"));
  CHECK(table.rows[1].back() == "not shown");
}

TEST_CASE("methods are compared within one share of the data and one number of epochs") {
  TemporaryFolder temporary;
  std::vector<std::filesystem::path> folders;
  for (const char* share : {"0.2", "1"})
    for (const char* label : {"A", "B"}) {
      folders.push_back(run(temporary, std::string(label) + share, 0, first_right(500)));
      put(folders.back() / "config.yaml", std::string("data: {fraction: ") + share + "}\n");
    }
  folders.push_back(run(temporary, "C", 0, first_right(500)));
  auto longer = liere::test::summary("C", "C", 50);
  longer["epochs"] = 30;
  put(folders.back() / "summary.json", longer.dump());
  const auto runs = read_runs(folders);
  const auto groups = group_by_seed(runs);
  const auto comparisons = Estimates(runs).comparisons(groups);
  REQUIRE(comparisons.size() == 2);
  CHECK((comparisons[0].first->label == "A0.2" && comparisons[0].second->label == "B0.2"));
  CHECK((comparisons[1].first->label == "A1" && comparisons[1].second->label == "B1"));
  CHECK(contains(text(differences_table(comparisons)), "compared where epochs and share of the data are equal"));
}

TEST_CASE("only the same seeds are paired, and only the same samples") {
  TemporaryFolder temporary;
  auto other_samples = first_right(560);
  other_samples.resize(900);
  const auto runs =
      read_runs({run(temporary, "A", 0, first_right(500)), run(temporary, "B", 1, first_right(560)), run(temporary, "C", 0, other_samples)});
  const auto groups = group_by_seed(runs);
  const auto comparisons = Estimates(runs).comparisons(groups);
  REQUIRE(comparisons.size() == 1);
  CHECK(comparisons[0].first->label == "A");
  CHECK(comparisons[0].second->label == "C");
  CHECK_FALSE(comparisons[0].interval.has_value());
  CHECK_FALSE(comparisons[0].mcnemar.has_value());
}

TEST_CASE("many groups are compared with the best alone") {
  TemporaryFolder temporary;
  std::vector<std::filesystem::path> folders;
  for (size_t i = 0; i < 5; ++i) folders.push_back(run(temporary, "method " + std::to_string(i), 0, first_right(500 + (i == 3 ? 100 : i))));
  const auto runs = read_runs(folders);
  const auto groups = group_by_seed(runs);
  CHECK(Estimates(runs).comparisons(groups).size() == 10);
  const auto few = Estimates(runs).comparisons(groups, 9);
  CHECK(few.size() == 4);
  for (const Comparison& comparison : few) CHECK((comparison.first->label == "method 3" || comparison.second->label == "method 3"));
}

TEST_CASE("samples that contradict eval.json are left out and said") {
  TemporaryFolder temporary;
  const auto folder = run(temporary, "A", 0, first_right(500));
  put(folder / "eval/accuracy/eval.json", R"({"test":"accuracy","step":300,"samples":1000,"top1":70})");
  const auto runs = read_runs({folder});
  REQUIRE(Estimates(runs).notes().size() == 1);
  CHECK(contains(Estimates(runs).notes()[0], "has a top-1 of 50.00 %, eval.json 70.00 %"));
  CHECK(contains(text(find(runs, 90), false), "the samples were left out"));
}
