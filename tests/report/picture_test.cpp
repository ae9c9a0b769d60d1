// Pictures: labels moved apart, text made harmless, and what happens with, without and in spite of gnuplot.
#include <algorithm>
#include <iostream>

#include "core/check.h"
#include "core/files.h"
#include "report/chart.h"
#include "report/gnuplot.h"
#include "report/report.h"
#include "report/run_folder.h"
#include "support/catch.h"
#include "support/fixtures.h"

using namespace liere;
using namespace liere::report;
using liere::test::make_run;
using liere::test::put;
using liere::test::TemporaryFolder;
namespace fs = std::filesystem;

namespace {

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

bool gnuplot_found() {
  if (run_program("gnuplot", {"--version"}, fs::temp_directory_path()).found) return true;
  std::cout << "skipped: gnuplot is not installed (apt-get install gnuplot-nox)\n";
  return false;
}

/// A PNG of the size that the script asks for.
void check_picture(const fs::path& path) {
  INFO(path);
  REQUIRE(fs::exists(path));
  const std::string content = read_file(path);
  REQUIRE(content.size() > 5000);
  CHECK(content.substr(0, 8) == "\x89PNG\r\n\x1a\n");
  CHECK(content.substr(16, 8) == std::string("\0\0\x05\0\0\0\x03\x20", 8));
}

}  // namespace

TEST_CASE("labels are moved apart, no further than needed, and stay inside") {
  CHECK(spread({10, 50}, 5, 0, 100) == std::vector<double>{10, 50});
  CHECK(spread({50, 50}, 10, 0, 100) == std::vector<double>{45, 55});
  CHECK(spread({99, 100}, 10, 0, 100) == std::vector<double>{90, 100});
  CHECK(spread({0, 0, 40}, 10, 0, 100) == std::vector<double>{0, 10, 40});
  CHECK(spread({}, 10, 0, 100).empty());
  const auto crowded = spread({1, 1, 1, 1, 1}, 50, 0, 100);
  CHECK(crowded == std::vector<double>{0, 25, 50, 75, 100});
}

TEST_CASE("strings of gnuplot hold quotes and line ends") { CHECK(gnuplot_string("it's `x` \\n\n@a") == "'it''s `x` \\n @a'"); }

TEST_CASE("charts carry the runs' colours, intervals and levels") {
  TemporaryFolder temporary;
  auto runs = read_runs({make_run(temporary.path() / "a", "A", 90, false), make_run(temporary.path() / "b", "B", 80)});
  const Chart curves = learning_curves(runs), sizes = accuracy_over_size(runs);
  REQUIRE(curves.curves.size() == 2);
  CHECK(curves.chance == 25.0);
  CHECK(curves.curves[0].points.back().x == 19200);
  CHECK(curves.subtitle == "arrows  ·  2,000 test images");
  REQUIRE(sizes.curves.size() == 1);
  CHECK(sizes.curves[0].color == 1);
  CHECK(sizes.curves[0].points[0].low < 74.0);
  CHECK(sizes.curves[0].points[0].high > 74.0);
  CHECK(sizes.x_ticks == std::vector<std::pair<double, std::string>>{{60, "60"}, {84, "84"}});
}

TEST_CASE("a group of seeds is one curve within a band, where all runs were evaluated") {
  TemporaryFolder temporary;
  const auto a = make_run(temporary.path() / "a", "A", 90, true, 0), b = make_run(temporary.path() / "b", "A", 80, true, 1);
  put(b / "metrics.jsonl", test::metrics({40, 72}) + R"({"event":"eval","epoch":3,"step":300,"samples":19999,"top1":80,"count":2000})" + "\n");
  const auto runs = read_runs({a, b, make_run(temporary.path() / "c", "C", 70)});
  const Chart chart = learning_curves(runs);
  REQUIRE(chart.curves.size() == 2);
  const Curve& group = chart.curves[0];
  CHECK(group.label == "A, 2 seeds");
  CHECK(group.band);
  REQUIRE(group.points.size() == 2);  // the third evaluations were at different samples
  CHECK(group.points[0].low == 40);
  CHECK(group.points[0].y == Approx(42.5));
  CHECK(group.points[0].high == 45);
  CHECK(chart.curves[1].color == 1);
  CHECK_FALSE(chart.curves[1].band);
  CHECK(contains(plot_script(chart), "using 1:3:4 with filledcurves"));
  const Chart sizes = accuracy_over_size(runs);
  REQUIRE(sizes.curves.size() == 2);
  CHECK(sizes.curves[0].points[0].low == Approx(74));
  CHECK(sizes.curves[0].points[0].high == Approx(84));
}

TEST_CASE("the gradient's norm over training, the later of repeated values, without what is not finite") {
  TemporaryFolder temporary;
  std::string events;
  for (const auto& [samples, norm] : std::vector<std::pair<int, std::string>>{{64, "2"}, {128, "9"}, {128, "0.5"}, {192, "null"}, {256, "4"}})
    events += R"({"event":"train","samples":)" + std::to_string(samples) + R"(,"grad_norm":)" + norm + "}\n";
  put(temporary.path() / "a/metrics.jsonl", events);
  const Chart chart = gradient_norm_curves(read_runs({temporary.path() / "a"}));
  REQUIRE(chart.curves.size() == 1);
  CHECK(chart.log_y);
  std::vector<std::pair<double, double>> points;
  for (const Point& point : chart.curves[0].points) points.push_back({point.x, point.y});
  CHECK(points == std::vector<std::pair<double, double>>{{64, 2}, {128, 0.5}, {256, 4}});
  CHECK(contains(plot_script(chart), "set yrange [0.5:5]"));
  CHECK(contains(plot_script(chart), "set ytics (0.5,1,2,5)"));
  CHECK(contains(plot_script(chart), "set format y '%g'"));
}

TEST_CASE("orthogonality on a logarithmic axis, thinned to its largest values") {
  TemporaryFolder temporary;
  std::string events;
  for (int i = 1; i <= 2000; ++i)
    events += R"({"event":"train","step":)" + std::to_string(i) + R"(,"samples":)" + std::to_string(64 * i) + R"(,"orthogonality":)" + (i == 1003 ? "5e-5" : i == 7 ? "0" : "2e-7") + "}\n";
  put(temporary.path() / "a/metrics.jsonl", events);
  put(temporary.path() / "none/metrics.jsonl", test::metrics({50}));
  const auto runs = read_runs({temporary.path() / "a", temporary.path() / "none"});
  const Chart chart = orthogonality_curves(runs);
  REQUIRE(chart.curves.size() == 1);
  CHECK(chart.log_y);
  CHECK(chart.curves[0].points.size() <= 301);
  double highest = 0;
  for (const Point& point : chart.curves[0].points) {
    CHECK(point.y > 0);
    highest = std::max(highest, point.y);
  }
  CHECK(highest == 5e-5);
  CHECK(contains(plot_script(chart), "set logscale y"));
  CHECK(contains(plot_script(chart), "set yrange [1e-07:0.0001]"));
  if (!gnuplot_found()) return;
  write_report(runs, 90, temporary.path() / "out");
  check_picture(temporary.path() / "out/orthogonality.png");
}

TEST_CASE("a report with pictures, whatever the labels hold") {
  if (!gnuplot_found()) return;
  TemporaryFolder temporary;
  const auto touched = temporary.path() / "touched";
  const std::string evil = "it's \"q\" `touch " + touched.string() + "` $(touch " + touched.string() + ") {/*9 a}_b^c @x \\";
  const auto runs = read_runs({make_run(temporary.path() / "a b", evil, 90), make_run(temporary.path() / "b", "B", 80)});
  const auto output = temporary.path() / "out put/it's";
  write_report(runs, 90, output);
  check_picture(output / "learning_curves.png");
  check_picture(output / "accuracy_over_size.png");
  CHECK_FALSE(fs::exists(touched));
  CHECK(fs::file_size(output / "learning_curves.tsv") > 0);
  const std::string page = read_file(output / "report.md");
  CHECK(contains(page, "![Test accuracy during training](learning_curves.png)"));
  CHECK(contains(page, "![Test accuracy over image size](accuracy_over_size.png)"));
  for (const auto& entry : fs::directory_iterator(output)) CHECK(entry.path().extension() != ".partial");
}

TEST_CASE("one run with one evaluation, and twelve runs, are drawn") {
  if (!gnuplot_found()) return;
  TemporaryFolder temporary;
  put(temporary.path() / "one/metrics.jsonl", test::metrics({37}));
  write_report(read_runs({temporary.path() / "one"}), 90, temporary.path() / "out");
  check_picture(temporary.path() / "out/learning_curves.png");
  CHECK_FALSE(fs::exists(temporary.path() / "out/accuracy_over_size.png"));
  std::vector<fs::path> folders;
  for (int i = 0; i < 12; ++i)
    folders.push_back(make_run(temporary.path() / std::to_string(i), "run " + std::to_string(i) + std::string(60, 'x'), 90 + 0.1 * i));
  write_report(read_runs(folders), 90, temporary.path() / "out");
  check_picture(temporary.path() / "out/accuracy_over_size.png");
}

TEST_CASE("without gnuplot the report comes without pictures, also without older ones") {
  TemporaryFolder temporary;
  const auto runs = read_runs({make_run(temporary.path() / "a", "A", 90)});
  const auto output = temporary.path() / "out";
  put(output / "learning_curves.png", "old");
  write_report(runs, 90, output, "no-such-program-of-this-name");
  CHECK_FALSE(fs::exists(output / "learning_curves.png"));
  CHECK(fs::exists(output / "table.csv"));
  CHECK_FALSE(contains(read_file(output / "report.md"), "!["));
}

TEST_CASE("a failing drawing program is an error with its first words, after the rest is written") {
  TemporaryFolder temporary;
  const auto program = temporary.path() / "broken";
  put(program, "#!/bin/sh\necho >&2\necho 'line 3: no such terminal' >&2\necho more >&2\nexit 7\n");
  fs::permissions(program, fs::perms::owner_all);
  const auto runs = read_runs({make_run(temporary.path() / "a", "A", 90)});
  std::string message;
  try {
    write_report(runs, 90, temporary.path() / "out", program.string());
  } catch (const Error& error) {
    message = error.what();
    CHECK(error.code() == ExitCode::kFailure);
  }
  CHECK(contains(message, "(exit status 7): line 3: no such terminal."));
  CHECK(fs::exists(temporary.path() / "out/report.md"));
}
