// What liere-report --workbench writes: the table, its files, the page's part, pictures where gnuplot is.
#include <fstream>
#include <iostream>

#include "core/check.h"
#include "core/files.h"
#include "made_run.h"
#include "workbench/pictures.h"
#include "workbench/workbench.h"
#include "support/catch.h"
#include "support/fixtures.h"

using namespace liere;
using namespace liere::report;
using namespace liere::test;
namespace fs = std::filesystem;

namespace {

bool has_gnuplot() { return run_program("gnuplot", {"--version"}, fs::temp_directory_path()).found; }

size_t lines_of(const std::string& text) { return static_cast<size_t>(std::count(text.begin(), text.end(), '\n')); }

MadeRun plain_run() {
  MadeRun run;
  run.put_blocks();
  return run;
}

MadeRun table_run() {
  MadeRun run;
  run.position = "{kind: absolute}";
  run.put_blocks();
  run.put("position_embedding", {1 + run.grid[0] * run.grid[1], run.width()});
  return run;
}

struct Runs {
  TemporaryFolder folder;
  std::vector<fs::path> paths = {generator_run(4, "liere").write(folder.path() / "liere_4 <a>"), generator_run(2, "rope_mixed").write(folder.path() / "mixed"), table_run().write(folder.path() / "absolute"),
                                 plain_run().write(folder.path() / "none")};
};

}  // namespace

TEST_CASE("workbench: a row per run, where what commutes has no commutator and no departure", "[workbench]") {
  Runs runs;
  const auto table = workbench_table(analyse_runs(runs.paths));
  REQUIRE(table.rows.size() == 4);
  for (const auto& row : table.rows) CHECK(row.size() == table.header.size());
  CHECK(table.rows[0][0] == "LieRE_4");
  CHECK(std::stod(table.rows[0][3]) > 0.01);
  CHECK(std::stod(table.rows[0][5]) > 0.01);
  CHECK(table.rows[1][0] == "RoPE-Mixed");
  CHECK(table.rows[1][3] == "0.000");
  CHECK(table.rows[1][5] == "0.000");
  CHECK(table.rows[2][1] == "-");
  CHECK(table.rows[3][1] == "-");
  const auto shown = text(table);
  CHECK_THAT(shown, Catch::Contains("adds a table to the tokens") && Catch::Contains("know nothing of their places") && Catch::Contains("Commutator:"));
}

TEST_CASE("workbench: files and the page's part - with gnuplot every picture stands in it", "[workbench]") {
  Runs runs;
  const auto analyses = analyse_runs(runs.paths);
  const auto out = runs.folder.path() / "out";
  fs::create_directories(out);
  const auto sections = write_workbench(analyses, out);
  REQUIRE(sections.size() == 1);
  CHECK(lines_of(read_file(out / "workbench.csv")) == 5);
  CHECK(lines_of(read_file(out / "heads.csv")) == 1 + 2 * 2 * 2 * 2);  // two runs that turn, two layers, heads and axes
  if (!has_gnuplot()) {
    std::cout << "skipped: gnuplot is not installed (apt-get install gnuplot-nox)\n";
    return;
  }
  const auto& html = sections.front().html;
  int pictures = 0;
  for (size_t at = html.find("<figure>"); at != std::string::npos; at = html.find("<figure>", at + 1)) ++pictures;
  CHECK(pictures == 1 + 3 + 3 + 1);  // commutators, three of each that turns, the table
  for (const char* name : {"workbench_commutators", "workbench_liere_4_scores", "workbench_liere_4_logits", "workbench_liere_4_frequencies", "workbench_rope_mixed_scores", "workbench_absolute_table"})
    for (const char* ending : {".png", ".svg", ".pdf", ".tsv", ".gp"}) {
      INFO(name << ending);
      CHECK(fs::file_size(out / (std::string(name) + ending)) > 100);
    }
}

TEST_CASE("workbench: to be published, pictures are PNGs alone", "[workbench]") {
  Runs runs;
  const auto out = runs.folder.path() / "out";
  fs::create_directories(out);
  write_workbench(analyse_runs({runs.paths[0]}), out, Files::kToPublish);
  for (const auto& file : fs::directory_iterator(out)) {
    INFO(file.path());
    const auto ending = file.path().extension();
    CHECK((ending == ".png" || ending == ".csv" || !has_gnuplot()));
  }
}

TEST_CASE("workbench: without gnuplot tables, figures and scripts are there, with one that fails its words are", "[workbench]") {
  Runs runs;
  const auto analyses = analyse_runs({runs.paths[0]});
  const auto out = runs.folder.path() / "out";
  fs::create_directories(out);
  const auto sections = write_workbench(analyses, out, Files::kAll, "no-such-gnuplot");
  CHECK(sections.front().html.find("<figure>") == std::string::npos);
  CHECK(sections.front().html.find("LieRE_4") != std::string::npos);
  CHECK(fs::exists(out / "workbench_liere_4_scores.tsv"));
  CHECK_FALSE(fs::exists(out / "workbench_liere_4_scores.png"));
  CHECK_THROWS_AS(write_workbench(analyses, out, Files::kAll, "false"), Error);
}

TEST_CASE("workbench: a map's tile holds the scores at their offsets from the token in the middle, tiles in the order of layers and heads", "[workbench]") {
  Runs runs;
  const auto analysis = analyse_runs({runs.paths[0]}).front();
  std::istringstream data(score_picture(analysis, "x").plot.data);
  std::vector<std::vector<std::string>> cells;
  for (std::string line; std::getline(data, line);) {
    std::istringstream words(line);
    cells.emplace_back();
    for (std::string word; words >> word;) cells.back().push_back(word);
  }
  REQUIRE(cells.size() == 2 * 5 + 1);  // grid of 5x4, one empty cell between tiles
  REQUIRE(cells.front().size() == 2 * 4 + 1);
  CHECK(cells[5] == std::vector<std::string>(9, "nan"));
  CHECK(cells[0][4] == "nan");
  for (const size_t layer : {0, 1})
    for (const size_t head : {0, 1}) {
      CHECK(std::stod(cells[layer * 6 + 2][head * 5 + 2]) == Approx(1));
      const auto& maps = analysis.at(static_cast<int64_t>(layer), static_cast<int64_t>(head)).maps;
      CHECK(std::stod(cells[layer * 6 + 0][head * 5 + 3]) == Approx(maps.centre[static_cast<size_t>(analysis.window.index({-2, 1}))]).margin(1e-5));
    }
}

TEST_CASE("workbench: a run without a checkpoint is refused by its name", "[workbench]") {
  TemporaryFolder folder;
  fs::create_directories(folder.path() / "empty");
  CHECK_THROWS_WITH(analyse_runs({folder.path() / "empty"}), Catch::Contains("empty"));
}
