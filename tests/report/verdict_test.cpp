// Ours beside the paper's: verdicts, cells of several seeds, and the page that holds them.
#include "report/paper.h"

#include <fstream>
#include <iterator>

#include "core/check.h"
#include "report/report.h"
#include "run_folder.h"
#include "support/catch.h"
#include "support/fixtures.h"

using namespace liere;
using namespace liere::report;
using liere::test::TemporaryFolder;
namespace fs = std::filesystem;

namespace {

std::string text_of(const fs::path& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

void expect_of_paper(const fs::path& run, const std::string& row, double top1, const std::string& interval) {
  std::ofstream(run / "config.yaml") << "reproduces:\n  - {table: A, row: " << row << ", column: CIFAR-100, paper: v5, top1: " << top1 << interval << "}\n";
}

Estimate ours(double mean, double low, double high) { return {mean, 3, Interval{low, high}, "seeds"}; }

}  // namespace

TEST_CASE("report: the verdict says how our interval and the paper's lie", "[report]") {
  const Interval paper{69.4, 71.2};
  CHECK(verdict(ours(70.0, 69.0, 71.0), 70.3, paper, 1) == "within the paper's interval");
  CHECK(verdict(ours(69.0, 68.0, 70.0), 70.3, paper, 1) == "intervals overlap");
  CHECK(verdict(ours(68.0, 67.5, 68.5), 70.3, paper, 1) == "below");
  CHECK(verdict(ours(73.0, 72.5, 73.5), 70.3, paper, 1) == "above");
  CHECK(verdict(ours(68.0, 67.0, 71.0), 70.3, std::nullopt, 1) == "within our interval");
  CHECK(verdict(Estimate{}, 70.3, paper, 1) == "not measured");
}

TEST_CASE("report: runs that name a cell stand in its table, three seeds as their mean", "[report]") {
  TemporaryFolder folder;
  std::vector<fs::path> runs;
  for (int seed = 0; seed < 3; ++seed) {
    runs.push_back(test::make_run(folder.path() / ("liere_" + std::to_string(seed)), "LieRE_8", 70.0 + seed, true, seed));
    expect_of_paper(runs.back(), "LieRE_8", 70.3, ", interval: [69.4, 71.2]");
  }
  runs.push_back(test::make_run(folder.path() / "a<b>&c", "absolute", 60.0));
  expect_of_paper(runs.back(), "absolute", 63.9, "");
  const auto read = read_runs(runs);
  const auto cells = paper_cells(read, Estimates(read));
  REQUIRE(cells.size() == 2);
  const auto& liere = cells[0].entry.row == "LieRE_8" ? cells[0] : cells[1];
  CHECK(liere.ours.mean == Approx(71.0));
  CHECK(liere.ours.seeds == 3);
  CHECK(liere.verdict == "within the paper's interval");

  // One page that needs no other file, without anything of a name taken for markup; without gnuplot the tables are there all the same.
  const auto output = folder.path() / "report";
  write_report(read, 90, output, "no_such_program");
  const auto page = text_of(output / "report.html");
  CHECK_THAT(page, Catch::Contains("<!DOCTYPE html>") && Catch::Contains("LieRE_8") && Catch::Contains("within the paper&#39;s interval"));
  for (const char* outside : {"src=\"http", "href=\"http", "<script", "a<b>"}) {
    INFO(outside);
    CHECK(page.find(outside) == std::string::npos);
  }
  for (const char* name : {"report.md", "table.csv", "table.tex", "paper_A.csv", "paper_A.tex"}) {
    INFO(name);
    CHECK(fs::exists(output / name));
  }
}
