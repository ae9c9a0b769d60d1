// The status table: cells from configurations and sweeps, results matched to them, states, hours, the page's part between its marks; and that
// docs/reproduce.md is what the records give.
#include <algorithm>
#include <filesystem>
#include <fstream>

#include "core/check.h"
#include "core/files.h"
#include "status/matches.h"
#include "status/table.h"
#include "support/catch.h"
#include "support/fixtures.h"

using namespace liere;
using namespace liere::status;
using liere::test::TemporaryFolder;
namespace fs = std::filesystem;

namespace {

void put(const fs::path& path, const std::string& text) {
  fs::create_directories(path.parent_path());
  std::ofstream(path) << text;
}

/// Two configurations and a sweep of one of them.
void put_configs(const fs::path& folder) {
  put(folder / "base/b.yaml", "train: {epochs: 200}\n");
  put(folder / "liere.yaml",
      "base: base/b.yaml\nreproduces:\n  - {table: A, row: LieRE_8, column: CIFAR-100, paper: v5, top1: 70.3, interval: [69.4, 71.2], loss: 1.36}\n"
      "  - {table: B, row: LieRE_8, column: CIFAR-100, paper: v5, test: shuffle, top1: 12.3, relative_drop: 82.5}\n");
  put(folder / "absolute.yaml",
      "base: base/b.yaml\nreproduces:\n  - {table: A, row: absolute, column: CIFAR-100, paper: v5, top1: 63.9, interval: [62.9, 65.8]}\n");
  put(folder / "control.yaml", "base: liere.yaml\n");  // inherits an entry, which is not its own
  put(folder / "small.yaml", "reproduces: [{note: not in the paper}]\n");
  put(folder / "sweeps/size.yaml",
      "config: liere.yaml\naxes:\n  size: {key: model.preset, values: [tiny, base]}\n  seed: {key: seed, values: [0, 1, 2]}\nreproduces:\n"
      "  - {where: {size: tiny}, table: H, row: LieRE_8, column: tiny, paper: v5, top1: 65.6}\n"
      "  - {where: {size: base}, table: H, row: LieRE_8, column: base, paper: v5, top1: 70.3}\n");
}

std::vector<Cost> costs() {
  const double hour = 0.35 * 989e12 * 3600;
  return {{{"liere.yaml", "liere.yaml model.preset=base"}, hour, hour / 2, {256, 512, 512}},
          {{"liere.yaml model.preset=tiny"}, 12 * hour, 0, {512, 512, 512}},
          {{"absolute.yaml"}, hour, 0, {0, 64, 128}}};
}

Result result(const std::string& letter, const std::string& row, const std::string& column, double top1, std::vector<double> interval) {
  Result r;
  r.cell = {letter, row, column};
  r.top1 = top1;
  r.interval = interval;
  r.device = "one H100", r.date = "2026-01-02", r.commit = "abc", r.source = "m.md#x";
  return r;
}

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

std::string refusal(const fs::path& path, const std::string& text) {
  put(path, text);
  try {
    read_results(path);
  } catch (const ConfigError& error) {
    return error.what();
  }
  return "";
}

}  // namespace

TEST_CASE("cells come from configurations and sweeps, each once, with the training that gives them") {
  TemporaryFolder temporary;
  put_configs(temporary.path());
  const auto cells = read_cells(temporary.path());
  REQUIRE(cells.size() == 5);
  CHECK(cells[0].entry.row == "absolute");
  CHECK(cells[1].training.text() == "liere.yaml");
  CHECK(cells[2].entry.test == "shuffle");
  CHECK(cells[3].training.text() == "liere.yaml model.preset=tiny");
  CHECK(cells[4].entry.column == "base");
}

TEST_CASE("states: reproduced, measured with another figure, not run with its hours - a shared training counts once") {
  TemporaryFolder temporary;
  put_configs(temporary.path());
  const auto cells = read_cells(temporary.path());
  const auto none = status_text(cells, {}, costs());
  CHECK(contains(none,
                 "5 cells: 0 reproduced, 0 measured with another figure, 5 not run (0 of them with a small model). Trainings measured: 0. All that "
                 "has not been run takes about 14 GPU hours"));
  CHECK(contains(none, "| CIFAR-100: absolute / LieRE_8 | 63.9 (62.9-65.8) / 70.3 (69.4-71.2), loss 1.36 |  | not run yet: about 2.5 GPU hours |"));
  CHECK(contains(none, "| CIFAR-100: LieRE_8 | 12.3, drop 82.5 % |  | not run yet: runs of A |"));
  CHECK(contains(none, "| LieRE_8: tiny / base | 65.6 / 70.3 |  | not run yet: about 12 GPU hours, runs of A |"));
  CHECK(contains(none, "| CIFAR-100: LieRE_8 | 1.5 | 256 | 512 | 512 |"));
  CHECK(contains(none, "| CIFAR-100: absolute | 1.0 | none | 64 | 128 |"));

  const auto within = status_text(cells, {{result("A", "LieRE_8", "CIFAR-100", 69.88, {68.97, 70.82})}, {}}, costs());
  CHECK(
      contains(within, "| 69.88 (68.97-70.82) | **reproduced**: top-1 within the paper's interval; one seed, one H100, [2026-01-02](m.md#x), abc |"));
  CHECK(
      contains(within, "| LieRE_8: base | 70.3 | 69.88 (68.97-70.82) | **reproduced**: top-1 within our interval; as in A |"));  // the same training
  CHECK(contains(within, "| CIFAR-100: LieRE_8 | 12.3, drop 82.5 % |  | not run yet: an evaluation of runs that are there |"));
  CHECK(contains(within, "5 cells: 2 reproduced, 0 measured with another figure, 3 not run (0 of them with a small model). Trainings measured: 1."));

  const auto below = status_text(cells, {{result("A", "LieRE_8", "CIFAR-100", 60, {59, 61})}, {}}, costs());
  CHECK(contains(below, "**measured, differs**: top-1 below; one seed"));
  auto small = result("A", "absolute", "CIFAR-100", 19.3, {18.5, 20.1});
  small.small_model = "4 blocks";
  const auto stand_in = status_text(cells, {{small}, {{"M", "1 orthogonality", "", "4.8e-6", "measured"}}}, costs());
  CHECK(
      contains(stand_in, "a small model only: absolute: 19.3 (18.5-20.1) with 4 blocks, [2026-01-02](m.md#x) | not run yet: about 2.5 GPU hours |"));
  CHECK(contains(stand_in, "| 1 orthogonality |  | 4.8e-6 | measured |"));
}

TEST_CASE("a result of no cell, and a training without its cost, are refused") {
  TemporaryFolder temporary;
  put_configs(temporary.path());
  const auto cells = read_cells(temporary.path());
  CHECK_THROWS_WITH(status_text(cells, {{result("A", "LieRE_9", "CIFAR-100", 60, {59, 61})}, {}}, costs()),
                    Catch::Contains("row 'LieRE_9'") && Catch::Contains("is no cell"));
  CHECK_THROWS_WITH(status_text(cells, {}, {}), Catch::Contains("no training 'absolute.yaml'. Renew it with scripts/status.sh"));
}

TEST_CASE("results.yaml says where a figure is from, and an interval holds it") {
  TemporaryFolder temporary;
  const auto path = temporary.path() / "results.yaml";
  const std::string origin = ", device: x, date: d, commit: c, source: s}]\n", cell = "results: [{table: A, row: LieRE_8, column: CIFAR-100";
  CHECK(refusal(path, cell + ", top1: 69.9, interval: [69, 71]" + origin).empty());
  CHECK(contains(refusal(path, cell + ", top1: 69.9}]\n"), "expected device"));
  CHECK(contains(refusal(path, cell + origin), "expected a figure"));
  CHECK(contains(refusal(path, cell + ", top1: 69.9, interval: [70, 71]" + origin), "expected to hold its figure"));
  CHECK(contains(refusal(path, cell + ", top1: 69.9, topl: 3" + origin), "topl"));
  CHECK(contains(refusal(path, "result: []\n"), "expected the lists results and checks"));
  CHECK(contains(refusal(path, "results: [{table: Z, row: a, column: b" + origin), "letter from A to M"));
}

TEST_CASE("costs are written as they are read") {
  TemporaryFolder temporary;
  put(temporary.path() / "costs.yaml", costs_text(costs()));
  const auto again = read_costs(temporary.path() / "costs.yaml");
  REQUIRE(again.size() == 3);
  CHECK(again[0].runs == costs()[0].runs);
  CHECK(again[2].micro_batch == costs()[2].micro_batch);
  CHECK(costs_text(again) == costs_text(costs()));
  CHECK(gpu_hours(costs()[0]) == Approx(1.5));
}

TEST_CASE("the status stands between its marks, and a page without them is refused") {
  const std::string begin = "<!-- status: written by scripts/status.sh -->\n", end = "<!-- end of status -->\n";
  const auto page = with_status("a\n" + begin + "old\n" + end + "b\n", "new\n");
  CHECK(page == "a\n" + begin + "\nnew\n\n" + end + "b\n");
  CHECK(with_status(page, "new\n") == page);
  CHECK_THROWS_AS(with_status("a\n" + end + begin, "new\n"), ConfigError);
}

TEST_CASE("docs/reproduce.md holds the status that the records give, or else: scripts/status.sh") {
  const fs::path source = LIERE_SOURCE_DIR;
  const auto page = read_file(source / "docs/reproduce.md");
  const auto text =
      status_text(read_cells(source / "configs"), read_results(source / "docs/results/results.yaml"), read_costs(source / "docs/results/costs.yaml"));
  const bool is_up_to_date = with_status(page, text) == page;
  CHECK(is_up_to_date);
}
