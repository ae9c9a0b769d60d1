// Comparisons: symmetric, paired, refusing what cannot be paired.
#include "core/check.h"
#include "core/files.h"
#include "support/catch.h"
#include "support/fixtures.h"
#include "support/matchers.h"
#include "train/eval/compare.h"
#include "train/eval/store.h"
#include "train/eval_rows.h"

using namespace liere;
using namespace liere::test;
namespace fs = std::filesystem;

namespace {

void put_evaluation(const fs::path& folder, const std::vector<Row>& rows, const std::string& weights = "raw") {
  store_result(folder, {{"test", "accuracy"}, {"label", folder.filename().string()}, {"weights", weights}, {"precision", "fp32"}, {"dataset", "made"}, {"identity_without_seed", "x"}}, {},
               {{}, {{"samples.csv", samples_csv(rows)}}, {}});
}

double number(const nlohmann::json& object, const char* key) { return object.at(key).get<double>(); }

}  // namespace

TEST_CASE("a comparison turned around has the opposite difference, the mirrored interval and the same p", "[eval]") {
  TemporaryFolder folder;
  const auto a = folder.path() / "a", b = folder.path() / "run_b";
  put_evaluation(a, random_rows(600, 0.60, 1));
  put_evaluation(b / "eval/accuracy", random_rows(600, 0.72, 2));
  const auto ab = compare_paths(a.string(), b.string(), 500), ba = compare_paths(b.string(), a.string(), 500);
  for (const char* key : {"top1", "loss"}) {
    CHECK(number(ab.at(key), "difference") == Approx(-number(ba.at(key), "difference")));
    const auto of_ab = ab.at(key).at("difference_interval").get<std::vector<double>>(), of_ba = ba.at(key).at("difference_interval").get<std::vector<double>>();
    CHECK(of_ab[0] == Approx(-of_ba[1]));
    CHECK(of_ab[1] == Approx(-of_ba[0]));
    CHECK(number(ab.at(key), "p") == number(ba.at(key), "p"));
  }
  CHECK(ab.at("mcnemar").at("p") == ba.at("mcnemar").at("p"));
  CHECK(ab.at("mcnemar").at("only_first") == ba.at("mcnemar").at("only_second"));
  CHECK(number(ab.at("top1"), "difference") == Approx(number(ab.at("second"), "top1") - number(ab.at("first"), "top1")));
  CHECK(number(ab.at("top1"), "difference") > 5);
  CHECK(number(ab.at("top1"), "p") < 0.01);
  CHECK_THAT(describe_comparison(ab), has("Two runs, not two methods") && has("McNemar") && has("chi-square"));
  const auto same = compare_paths(a.string(), a.string(), 100);
  CHECK(number(same.at("top1"), "difference") == 0);
  CHECK(number(same.at("top1"), "p") == 1);
  CHECK(number(same.at("mcnemar"), "p") == 1);
}

TEST_CASE("several seeds a side are averaged sample by sample", "[eval]") {
  TemporaryFolder folder;
  std::vector<std::string> names;
  for (int i = 0; i < 4; ++i) {
    names.push_back((folder.path() / ("s" + std::to_string(i))).string());
    put_evaluation(names.back(), random_rows(300, i < 2 ? 0.5 : 0.6, static_cast<uint64_t>(10 + i)));
  }
  const auto result = compare_paths(names[0] + "," + names[1], names[2] + "," + names[3], 300);
  const auto top1 = [&](int i) { return number(compare_paths(names[static_cast<size_t>(i)], names[0], 10).at("first"), "top1"); };
  CHECK(number(result.at("first"), "top1") == Approx((top1(0) + top1(1)) / 2));
  CHECK(number(result.at("second"), "top1") == Approx((top1(2) + top1(3)) / 2));
  CHECK(result.at("mcnemar").is_null());
  CHECK_THAT(describe_comparison(result), !has("not two methods") && has("top-1 % of B's runs:"));
  CHECK_THROWS_AS(compare_paths(names[0] + "," + names[0], names[1], 10), ConfigError);
  CHECK_THROWS_AS(compare_paths(names[0] + ",,", names[1], 10), ConfigError);
}

TEST_CASE("comparisons of different samples, labels or tests are refused with the place", "[eval]") {
  TemporaryFolder folder;
  const auto a = folder.path() / "a", b = folder.path() / "b";
  auto rows = random_rows(20, 0.5, 1);
  put_evaluation(a, rows);
  rows[7].label = 2;
  put_evaluation(b, rows);
  CHECK_THROWS_WITH(compare_paths(a.string(), b.string(), 10), has("line 9") && has("sample 7, view 0, label 3 against sample 7, view 0, label 2"));
  rows = random_rows(20, 0.5, 1);
  rows[0].sample = 4;
  put_evaluation(b, rows);
  CHECK_THROWS_AS(compare_paths(a.string(), b.string(), 10), DataError);
  put_evaluation(b, random_rows(19, 0.5, 1));
  CHECK_THROWS_WITH(compare_paths(a.string(), b.string(), 10), has("20 and 19"));
  put_evaluation(b, random_rows(20, 0.5, 3), "ema");
  CHECK_THAT(describe_comparison(compare_paths(a.string(), b.string(), 10)), has("differ in weights: ema, raw"));
  write_file_atomically(b / "samples.csv", samples_csv(random_rows(20, 0.5, 4)));
  CHECK_THROWS_WITH(compare_paths(a.string(), b.string(), 10), has("changed after the evaluation"));
  store_result(b, {{"test", "shuffle"}}, {}, {});
  CHECK_THROWS_WITH(compare_paths(a.string(), b.string(), 10), has("found 'shuffle'"));
  CHECK_THROWS_WITH(compare_paths(a.string(), (folder.path() / "none").string(), 10), has("is no evaluation"));
}
