// Ours beside the paper: reading `reproduces`, verdicts, footnotes, what is missing.
#include "report/paper.h"

#include <algorithm>

#include "core/check.h"
#include "report/report.h"
#include "report/run_folder.h"
#include "support/catch.h"
#include "support/fixtures.h"

using namespace liere;
using namespace liere::report;
using liere::test::make_run;
using liere::test::put;
using liere::test::put_config;
using liere::test::put_samples;
using liere::test::TemporaryFolder;

namespace {

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

Estimate measured(double mean, std::optional<Interval> interval = {}) { return {.mean = mean, .seeds = 1, .interval = interval, .over = ""}; }

std::vector<PaperCell> cells_of(const std::vector<Run>& runs) { return paper_cells(runs, Estimates(runs)); }

const std::string kLiere = "{table: A, row: LieRE_8, column: CIFAR-100, paper: v5, top1: 70.3, interval: [69.4, 71.2], loss: 1.36}";

}  // namespace

TEST_CASE("verdicts, each on its ground") {
  const Interval paper{69.4, 71.2};
  CHECK(verdict(measured(69.4), 70.3, paper, 1) == "within the paper's interval");
  CHECK(verdict(measured(71.2), 70.3, paper, 1) == "within the paper's interval");
  CHECK(verdict(measured(71.3, Interval{70.4, 72.2}), 70.3, paper, 1) == "intervals overlap");
  CHECK(verdict(measured(68.5, Interval{67.6, 69.4}), 70.3, paper, 1) == "intervals overlap");
  CHECK(verdict(measured(68.5, Interval{67.6, 69.3}), 70.3, paper, 1) == "below");
  CHECK(verdict(measured(71.3), 70.3, paper, 1) == "above");
  CHECK(verdict(measured(12.2, Interval{11.7, 12.7}), 12.3, {}, 1) == "within our interval");
  CHECK(verdict(measured(12.2, Interval{12.1, 12.25}), 12.3, {}, 1) == "below");
  CHECK(verdict(measured(1.359), 1.36, {}, 2) == "equal");
  CHECK(verdict(measured(1.354), 1.36, {}, 2) == "below");
  CHECK(verdict(measured(3.95), 3.9, {}, 1) == "above");
  CHECK(verdict(measured(kUnknown), 70.3, paper, 1) == "not measured");
  CHECK(verdict(measured(kUnknown), kUnknown, {}, 1) == "not measured");
  CHECK(verdict(measured(50), kUnknown, {}, 1) == "not in the paper");
}

TEST_CASE("a cell is found in the run's configuration, each figure is a line") {
  TemporaryFolder temporary;
  const auto folder = make_run(temporary.path() / "a", "LieRE_8", 69.9);
  put_config(folder, {kLiere, "{table: B, row: LieRE_8, column: CIFAR-100, paper: v5, test: shuffle, top1: 12.3, relative_drop: 82.5}",
                      "{table: C, row: LieRE_8, column: \"84\", paper: v5, test: resolution, size: 84, top1: 99.7}",
                      "{table: C, row: LieRE_8, column: \"276\", paper: v5, test: resolution, size: 276, top1: 99.7}"});
  const auto runs = read_runs({folder});
  const auto cells = cells_of(runs);
  REQUIRE(cells.size() == 6);
  CHECK(cells[0].ours.mean == 69.9);
  CHECK(cells[0].verdict == "within the paper's interval");
  CHECK(cells[1].figure == Figure::kLoss);
  CHECK(cells[1].ours.mean == 0.03);
  CHECK(cells[2].ours.mean == 25.0);
  CHECK(cells[3].figure == Figure::kRelativeDrop);
  CHECK(cells[4].ours.mean == Approx(69.9 - 8.4));
  CHECK(cells[5].verdict == "not measured");
  REQUIRE(cells[5].remarks.size() == 1);
  CHECK(contains(cells[5].remarks[0], "--test resolution eval.sizes=[276]"));
  const auto tables = paper_tables(cells);
  REQUIRE(tables.size() == 3);
  CHECK(tables[0].title == "Table A: Main results");
  CHECK(tables[0].rows[0] == std::vector<std::string>{"LieRE_8", "CIFAR-100", "top-1 %", "69.9 [67.9, 71.9]", "1", "70.3 [69.4, 71.2]", "−0.4",
                                                      "within the paper's interval, one seed"});
  CHECK(tables[0].notes[0] == "Paper: arXiv 2406.10322v5 (ICML 2025).");
  CHECK(contains(tables[0].notes[1], "one seed: over test samples alone"));
  CHECK(tables[2].rows[1] == std::vector<std::string>{"LieRE_8 (1)", "276", "276 pixels: top-1 %", "-", "-", "99.7", "-", "not measured"});
}

TEST_CASE("seeds are one cell: mean, number and an interval over seeds and samples") {
  TemporaryFolder temporary;
  std::vector<std::filesystem::path> folders;
  for (int64_t seed = 0; seed < 3; ++seed) {
    folders.push_back(make_run(temporary.path() / std::to_string(seed), "LieRE_8", 70, true, seed));
    put_config(folders.back(), {kLiere});
    std::vector<bool> right(400);
    for (size_t i = 0; i < right.size(); ++i) right[i] = i % 10 < 7 || i == static_cast<size_t>(seed);  // 70 %
    right[static_cast<size_t>(seed) * 10 + 9] = true;
    put_samples(folders.back(), right);
  }
  const auto runs = read_runs(folders);
  const auto cells = cells_of(runs);
  REQUIRE(cells.size() == 2);
  CHECK(cells[0].ours.seeds == 3);
  CHECK(cells[0].ours.mean == Approx(70.25));
  CHECK(cells[0].ours.over == "seeds and samples");
  REQUIRE(cells[0].ours.interval);
  CHECK(cells[0].ours.interval->low == Approx(70.25 - 4.48).margin(0.7).epsilon(0));  // 1.96 sqrt(0.7 0.3 / 400)
  CHECK(cells[0].ours.interval->high == Approx(70.25 + 4.48).margin(0.7).epsilon(0));
  CHECK(cells[1].ours.over == "seeds");
  std::filesystem::remove(folders[1] / "eval/accuracy/samples.csv");
  const auto runs_without = read_runs(folders);
  const auto without = cells_of(runs_without);
  CHECK(without[0].ours.over == "seeds");
  CHECK(contains(paper_tables(without)[0].notes[1], "over seeds alone"));
}

TEST_CASE("deviations are footnotes, counted once - controls and small models say what they are") {
  TemporaryFolder temporary;
  const auto a = make_run(temporary.path() / "a", "LieRE_8", 69.9), b = make_run(temporary.path() / "b", "absolute", 63.9);
  put_config(a, {"{table: A, row: LieRE_8, column: UCF101, paper: v1, top1: 51.1, deviations: [\"Split 1 alone.\", \"Eight frames.\"]}"});
  put_config(b, {"{table: A, row: absolute, column: UCF101, paper: v1, top1: 44.4, deviations: [\"Eight frames.\"]}",
                 "{table: H, row: absolute, column: tiny, note: \"A control.\", small_model_of: {table: A, row: absolute, column: CIFAR-100}}"});
  const auto runs = read_runs({a, b});
  const auto tables = paper_tables(cells_of(runs));
  REQUIRE(tables.size() == 2);
  CHECK(tables[0].rows[0][0] == "absolute (1)");
  CHECK(tables[0].rows[1][0] == "LieRE_8 (2,1)");
  CHECK(tables[0].notes[0] == "Paper: arXiv 2406.10322v1.");
  CHECK(tables[0].notes.back() == "(2) Split 1 alone.");
  CHECK(tables[1].rows[0][5] == "-");
  CHECK(tables[1].rows[0][7] == "not in the paper, one seed");
  CHECK(contains(tables[1].notes.back(), "in place of table A, absolute, CIFAR-100"));
}

TEST_CASE("epochs to the absolute encoding's accuracy") {
  TemporaryFolder temporary;
  const auto edit = [](const std::filesystem::path& folder, const char* encoding, const std::vector<double>& top1) {
    auto summary = liere::test::summary(folder.filename().string(), encoding, top1.back());
    summary["encoding"] = encoding;
    put(folder / "summary.json", summary.dump());
    put(folder / "metrics.jsonl", liere::test::metrics(top1));
    put_config(folder, {"{table: G, row: LieRE_8, column: CIFAR-100, paper: v5, test: epochs-to-reach, epochs_factor: 3.9}"});
  };
  edit(temporary.path() / "absolute", "absolute", {40, 50, 60});
  edit(temporary.path() / "liere", "liere", {60, 70, 80});
  edit(temporary.path() / "rope", "rope_mixed", {30, 40, 50});
  const auto runs = read_runs({temporary.path() / "absolute", temporary.path() / "liere", temporary.path() / "rope"});
  CHECK(epochs_per_sample(runs[1]) == 3.0 / 19200);
  CHECK(epochs_to_reach(runs[1], 60) == Approx(1));
  CHECK_FALSE(epochs_to_reach(runs[2], 60).has_value());
  CHECK(absolute_level(runs[1], runs).percent == 60);
  const auto cells = cells_of(runs);
  REQUIRE(cells.size() == 3);
  CHECK(cells[0].ours.mean == Approx(1));
  CHECK(cells[1].ours.mean == Approx(3));
  CHECK(cells[2].verdict == "not measured");
  CHECK_FALSE(cells[1].ours.interval.has_value());  // at its first evaluation: any factor from 3 is possible

  edit(temporary.path() / "later", "liere", {50, 62, 80});
  const auto two = read_runs({temporary.path() / "absolute", temporary.path() / "later"});
  const auto later = cells_of(two);
  REQUIRE(later.size() == 2);
  CHECK(later[1].ours.mean == Approx(1.5));
  REQUIRE(later[1].ours.interval.has_value());
  CHECK(later[1].ours.interval->low == Approx(1.5));
  CHECK(later[1].ours.interval->high == Approx(3));
  CHECK(later[1].verdict == "below");  // 3.9 lies outside
  const auto one = read_runs({temporary.path() / "liere"});
  const auto alone = cells_of(one);
  CHECK(contains(alone[0].remarks[0], "no finished run of the absolute encoding"));
}

TEST_CASE("a run that is not finished measures nothing, and says why") {
  TemporaryFolder temporary;
  const auto growing = temporary.path() / "growing", diverged = temporary.path() / "diverged";
  put(growing / "metrics.jsonl", liere::test::metrics({30, 69.9}));
  put(diverged / "metrics.jsonl", liere::test::metrics({30}) + R"({"event":"train","step":101,"samples":6464,"loss":null})" + "\n");
  put_config(growing, {kLiere}, "seed: 4\nmodel: {position: {kind: liere, block_size: 8}}\ndata: {kind: cifar100, fraction: 0.5}\n");
  put_config(diverged, {kLiere});
  const auto runs = read_runs({growing, diverged});
  CHECK(runs[0].label == "LieRE_8");
  CHECK(runs[0].seed == 4);
  CHECK(runs[0].dataset == "cifar100");
  CHECK(runs[0].config.data_fraction == 0.5);
  CHECK(runs[1].diverged);
  for (const PaperCell& cell : cells_of(runs)) CHECK(cell.verdict == "not measured");
  const std::string printed = text(find(runs, 90), false);
  CHECK(contains(printed, "LieRE_8: not finished."));
  CHECK(contains(printed, "diverged: diverged."));
}

TEST_CASE("entries that are wrong are left out with their reason - older forms and controls are no error") {
  TemporaryFolder temporary;
  const auto folder = make_run(temporary.path() / "a", "LieRE_8", 69.9);
  put_config(folder, {"{table: Z, row: LieRE_8, top1: 1}", "{table: A, row: LieRE_8, top: 70.3}", "{table: A, row: LieRE_8, paper: v3, top1: 70.3}",
                      "{table: A, row: LieRE_8, paper: v5, top1: 70.3, interval: [71, 69]}", "{table: C, row: LieRE_8, test: resolution, top1: 70}",
                      "{note: \"a control\"}", kLiere});
  const auto runs = read_runs({folder});
  CHECK(runs[0].config.reproduces.size() == 1);
  REQUIRE(runs[0].config.left_out.size() == 5);
  CHECK(contains(runs[0].config.left_out[0], "expected a letter from A to M, found 'Z'"));
  CHECK(contains(runs[0].config.left_out[1], "'top'"));
  CHECK(contains(text(find(runs, 90), false), "LieRE_8: an entry of reproduces was left out: "));
  put(folder / "config.yaml", "reproduces: {note: \"for trying commands\"}\n");
  CHECK(read_run(folder).config.left_out.empty());
  put(folder / "config.yaml", "reproduces: {table: \"main results, CIFAR-100\", top1: 70.0}\n");
  CHECK(read_run(folder).config.left_out.size() == 1);
  put(folder / "config.yaml", "reproduces: [\n");
  CHECK_THROWS_AS(read_run(folder), DataError);
}
