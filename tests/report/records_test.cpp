// Figures for other programs, and reports that are fit to publish.
#include "report/records.h"

#include <filesystem>
#include <nlohmann/json.hpp>
#include <set>

#include "core/files.h"
#include "report/report.h"
#include "report/run_folder.h"
#include "support/catch.h"
#include "support/fixtures.h"

using namespace liere::report;
using liere::read_file;
using liere::test::make_run;
using liere::test::put;
using liere::test::put_config;
using liere::test::TemporaryFolder;

namespace {

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

}  // namespace

TEST_CASE("JSON holds the cells of the paper with their verdicts, and the differences") {
  TemporaryFolder temporary;
  const auto a = make_run(temporary.path() / "a", "LieRE_8", 69.9, true), b = make_run(temporary.path() / "b", "absolute", 63.9, false);
  put_config(a, {"{table: A, row: LieRE_8, column: CIFAR-100, paper: v5, top1: 70.3, interval: [69.4, 71.2]}",
                 "{table: B, row: LieRE_8, column: CIFAR-100, paper: v5, test: shuffle, top1: 12.3, relative_drop: 82.5}",
                 "{table: C, row: LieRE_8, column: \"276\", paper: v5, test: resolution, size: 276, reading: grid, top1: 99.7}"});
  const auto parsed = nlohmann::json::parse(json_text(read_runs({a, b}), 90));
  REQUIRE(parsed["paper"].size() == 4);
  const auto& top1 = parsed["paper"][0];
  CHECK(top1["table"] == "A");
  CHECK(top1["figure"] == "top1");
  CHECK(top1["paper_version"] == "v5");
  CHECK(top1["ours"] == 69.9);
  CHECK(top1["ours_interval"].size() == 2);
  CHECK(top1["ours_interval_over"] == "samples");
  CHECK(top1["seeds"] == 1);
  CHECK(top1["paper"] == 70.3);
  CHECK(top1["paper_interval"] == std::vector<double>{69.4, 71.2});
  CHECK(top1["difference"].get<double>() == Approx(-0.4));
  CHECK(top1["verdict"] == "within the paper's interval");
  CHECK(top1["runs"] == std::vector<std::string>{a.string()});
  CHECK(parsed["paper"][2]["figure"] == "relative_drop");
  const auto& missing = parsed["paper"][3];
  CHECK(missing["size"] == 276);
  CHECK(missing["reading"] == "grid");
  CHECK(missing["ours"].is_null());
  CHECK(missing["difference"].is_null());
  CHECK(missing["verdict"] == "not measured");
  CHECK(contains(missing["remarks"][0].get<std::string>(), "--test resolution"));
  REQUIRE(parsed["differences"].size() == 1);
  const auto& difference = parsed["differences"][0];
  CHECK(difference["first"] == "LieRE_8");
  CHECK(difference["second"] == "absolute");
  CHECK(difference["difference"].get<double>() == Approx(-6.0));
  CHECK(difference["seeds"] == std::vector<int>{0});
  CHECK(difference["p_sign_flips"].is_null());
  CHECK(difference["conclusion"] == "two runs, not two methods");
}

TEST_CASE("folders may be named without the path to them, in every place of a report") {
  TemporaryFolder temporary;
  const auto a = make_run(temporary.path() / "sweep/a", "LieRE_8", 69.9, false), b = make_run(temporary.path() / "other/b", "absolute", 63.9, false);
  put_config(a, {"{table: Z, row: x}", "{table: B, row: LieRE_8, column: CIFAR-100, paper: v5, test: shuffle, top1: 12.3}"});
  const auto here = temporary.path().string();
  const auto given = read_runs({a, b}), shortened = read_runs({a, b}, FolderNames::kBelowCommonFolder);
  CHECK(given[0].shown_folder == a.string());
  CHECK(shortened[0].shown_folder == "sweep/a");
  CHECK(shortened[1].shown_folder == "other/b");
  CHECK(read_runs({a}, FolderNames::kBelowCommonFolder)[0].shown_folder == "a");
  CHECK(contains(json_text(given, 90) + text(find(given, 90), true), here));
  CHECK_FALSE(contains(json_text(shortened, 90) + text(find(shortened, 90), true), here));
  const auto out = temporary.path() / "out";
  std::filesystem::create_directories(out);
  put(out / "mine.svg", "kept");
  write_report(shortened, 90, out, "gnuplot", {}, Files::kToPublish);
  std::set<std::string> endings;
  for (const auto& file : std::filesystem::directory_iterator(out)) {
    if (file.path().filename() == "mine.svg") continue;
    endings.insert(file.path().extension().string());
    if (file.path().extension() != ".png") CHECK_FALSE(contains(read_file(file.path()), here));
  }
  CHECK(endings.count(".html") + endings.count(".md") + endings.count(".csv") == 3);
  for (const char* left_out : {".gp", ".svg", ".pdf", ".tsv", ".tex"}) CHECK(endings.count(left_out) == 0);
  CHECK(std::filesystem::exists(out / "mine.svg"));
}
