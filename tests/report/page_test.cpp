// The page: well-formed whatever names hold, everything in one file; LaTeX and CSV; charts of what was varied.
#include "report/page.h"

#include <algorithm>
#include <cmath>
#include <iostream>

#include "core/check.h"
#include "core/files.h"
#include "core/gnuplot.h"
#include "report/chart.h"
#include "report/html.h"
#include "report/palette.h"
#include "report/report.h"
#include "report/run_folder.h"
#include "support/catch.h"
#include "support/fixtures.h"

using namespace liere;
using namespace liere::report;
using liere::test::make_run;
using liere::test::put;
using liere::test::put_config;
using liere::test::TemporaryFolder;
namespace fs = std::filesystem;

namespace {

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

/// What is wrong with the nesting of a page's tags; empty where all are closed in order, no bare < or & stands in text and no attribute is open.
std::string nesting_problem(const std::string& page) {
  std::vector<std::string> open;
  for (size_t at = 0; at < page.size(); ++at) {
    if (page[at] == '&') {
      const size_t end = page.find(';', at);
      if (end == std::string::npos || end - at > 7) return "bare & at " + std::to_string(at);
    }
    if (page[at] != '<') continue;
    size_t end = at + 1;
    for (char quote = 0; end < page.size() && (quote || page[end] != '>'); ++end) {
      if (!quote && page[end] == '<') return "< in a tag at " + std::to_string(end);
      if (quote)
        quote = page[end] == quote ? 0 : quote;
      else if (page[end] == '"' || page[end] == '\'')
        quote = page[end];
    }
    const std::string tag = page.substr(at + 1, end - at - 1), name = tag.substr(0, tag.find_first_of(" \n/", tag[0] == '/' ? 1 : 0));
    if (tag[0] == '/') {
      if (open.empty() || "/" + open.back() != name) return "<" + tag + "> closes " + (open.empty() ? "nothing" : open.back());
      open.pop_back();
    } else if (tag[0] != '!' && tag.back() != '/') {
      open.push_back(name);
      if (name == "style") end = page.find("</style>", end) - 1;
    }
    at = end;
  }
  return open.empty() ? "" : open.back() + " is not closed";
}

/// By libxml2 where it is installed.
void check_well_formed(const fs::path& page) {
  CHECK(nesting_problem(read_file(page)) == "");
  const ProgramResult result = run_program("xmllint", {"--noout", page.filename().string()}, page.parent_path());
  if (!result.found) std::cout << "skipped: xmllint is not installed (apt-get install libxml2-utils)\n";
  INFO(result.first_error);
  CHECK((!result.found || result.status == 0));
}

const std::string kEvil = "<b>&amp; \"x\" 'y' _%$#{}~^\\ | <script>alert(1)</script> \x1b[31m";

}  // namespace

TEST_CASE("the check of nesting finds what it is for") {
  CHECK(nesting_problem("<p>a<b>c</b><br/></p>") == "");
  CHECK(nesting_problem("<p>a<b>c</p></b>") != "");
  CHECK(nesting_problem("<p>") != "");
  CHECK(nesting_problem("<p>a & b</p>") != "");
  CHECK(nesting_problem("<p title=\"a < b\">c</p>") == "");
}

TEST_CASE("text in a page is harmless, and UTF-8 that XML takes") {
  CHECK(escaped_for_html("<a href=\"x\">&'") == "&lt;a href=&quot;x&quot;&gt;&amp;&#39;");
  CHECK(escaped_for_html("RᵀR − I …") == "RᵀR − I …");
  CHECK(escaped_for_html("a\x1b"
                         "b\x7f") ==
        "a\xEF\xBF\xBD"
        "b\xEF\xBF\xBD");
  CHECK(escaped_for_html("\xff\xc3") == "\xEF\xBF\xBD\xEF\xBF\xBD");
  CHECK(escaped_for_html("\xed\xa0\x80").find('\xed') == std::string::npos);  // a surrogate
  CHECK(escaped_for_html("\xc0\xaf").find('\xc0') == std::string::npos);      // overlong
}

TEST_CASE("base64 is RFC 4648's") {
  CHECK(png_uri("") == "data:image/png;base64,");
  CHECK(png_uri("f") == "data:image/png;base64,Zg==");
  CHECK(png_uri("fo") == "data:image/png;base64,Zm8=");
  CHECK(png_uri("foobar") == "data:image/png;base64,Zm9vYmFy");
  CHECK(png_uri("\xff\xfe") == "data:image/png;base64,//4=");
}

TEST_CASE("whiskers stand where their figures are") {
  const auto axis = axis_of({{.value = 50, .low = 40, .high = 60, .color = "", .title = ""}});
  CHECK(axis.first == Approx(39.2));
  CHECK(axis.second == Approx(60.8));
  CHECK(axis_of({}) == std::pair(0.0, 1.0));
  const std::string svg = whiskers_svg({{.value = 5, .low = 2.5, .high = 10, .color = "red", .title = "a & b"}}, {0, 10});
  CHECK(contains(svg, "cx=\"65.00\""));
  CHECK(contains(svg, "x1=\"32.50\" x2=\"130.00\""));
  CHECK(contains(svg, "<title>a &amp; b</title>"));
  CHECK_FALSE(contains(whiskers_svg({{.color = "red", .title = ""}}, {0, 1}), "circle"));
}

TEST_CASE("LaTeX and CSV of a table, whatever it holds") {
  const Table table{.title = "50 % & more",
                    .header = {{"a_b"}, {"c", "d"}, {"e"}},
                    .rows = {{"x^2 < y", "1 ± 2", "−3, \"q\""}, {"[z]", "{}", "$#~\\"}},
                    .notes = {"100 %"}};
  const std::string tex = latex(table);
  CHECK(contains(tex, "\\caption{50 \\% \\& more}"));
  CHECK(contains(tex, "\\begin{tabular}{lrr}"));
  CHECK(contains(tex, "a\\_b & c d & e \\\\"));
  CHECK(contains(tex, "x\\textasciicircum{}2 $<$ y & 1 $\\pm$ 2 & $-$3, \"q\" \\\\"));
  CHECK(contains(tex, "{}[z] & \\{\\} & \\$\\#\\textasciitilde{}\\textbackslash{} \\\\"));
  CHECK(contains(tex, "\\toprule"));
  CHECK(csv(table) == "a_b,c d,e\r\nx^2 < y,1 ± 2,\"−3, \"\"q\"\"\"\r\n[z],{},$#~\\\r\n");
  CHECK(latex(Table{}).empty());
}

TEST_CASE("a report of everything at once is one well-formed page that loads nothing") {
  TemporaryFolder temporary;
  const auto a = make_run(temporary.path() / "a", kEvil, 90), b = make_run(temporary.path() / "b", "absolute", 60),
             running = temporary.path() / "running";
  put_config(a, {"{table: A, row: \"<b>&_%\", column: \"C & <d>\", paper: v5, top1: 70.3, interval: [69.4, 71.2], deviations: [\"a < b & c\"]}"});
  put(running / "metrics.jsonl", liere::test::metrics({30, 60}));
  put(a / "eval/attention/attention.json", R"({"pictures": [{"file": "x.png", "caption": "CLS <1> & more"}]})");
  put(a / "eval/attention/x.png", "\x89PNG\r\n\x1a\n...");
  const auto runs = read_runs({a, b, running});
  write_report(runs, 90, temporary.path() / "out", "gnuplot", {{"Workbench & co", "<p>spectra</p>"}});
  const std::string page = read_file(temporary.path() / "out/report.html");
  check_well_formed(temporary.path() / "out/report.html");
  for (const char* loaded : {"<script", "<link", "@import", "src=\"http", "url(http", "<iframe"}) CHECK_FALSE(contains(page, loaded));
  for (const char* part :
       {"Results", "Ours beside the paper", "Differences between methods", "Attention", "Workbench &amp; co", "Runs", "above, one seed",
        "CLS &lt;1&gt; &amp; more", "data:image/png;base64,iVBORw0KGgouLi4=", "<p>spectra</p>", "prefers-color-scheme: dark", "@media print"})
    CHECK(contains(page, part));
  CHECK(fs::exists(temporary.path() / "out/paper_A.csv"));
  CHECK(fs::exists(temporary.path() / "out/paper_A.tex"));
  CHECK(fs::exists(temporary.path() / "out/differences.tex"));
  CHECK(contains(read_file(temporary.path() / "out/report.md"), "## Table A: Main results"));
  write_report({read_run(b)}, 90, temporary.path() / "out", "no-such-program-of-this-name");
  CHECK_FALSE(fs::exists(temporary.path() / "out/paper_A.csv"));
  CHECK_FALSE(fs::exists(temporary.path() / "out/differences.tex"));
  check_well_formed(temporary.path() / "out/report.html");
  CHECK(contains(read_file(temporary.path() / "out/report.html"), "<table>"));
}

TEST_CASE("attention: a name that leads elsewhere, a file that is no PNG, text that is no list") {
  TemporaryFolder temporary;
  const auto a = make_run(temporary.path() / "a", "LieRE_8", 90);
  const auto refused = [&](const std::string& content) {
    put(a / "eval/attention/attention.json", content);
    put(a / "eval/attention/x.png", "no picture");
    try {
      write_report(read_runs({a}), 90, temporary.path() / "out", "no-such-program-of-this-name");
    } catch (const DataError&) {
      return true;
    }
    return false;
  };
  CHECK(refused(R"({"pictures": [{"file": "../../summary.json", "caption": ""}]})"));
  CHECK(refused(R"({"pictures": [{"file": "x.png"}]})"));
  CHECK(refused(R"({"pictures": ["x.png"]})"));
  CHECK(refused("[]"));
  CHECK_FALSE(refused(R"({"pictures": []})"));
}

TEST_CASE("charts over what was varied: seeds as dots, one curve per method, nothing else mixed in") {
  TemporaryFolder temporary;
  std::vector<fs::path> folders;
  const auto add = [&](const std::string& name, int64_t block, double fraction, double top1, int64_t seed) {
    const auto folder = temporary.path() / name;
    make_run(folder, "LieRE_" + std::to_string(block), top1, false, seed);
    auto summary = liere::test::summary(name, "LieRE_" + std::to_string(block), top1, seed);
    summary["identity_without_seed"] = std::to_string(block) + " " + std::to_string(fraction);
    put(folder / "summary.json", summary.dump());
    put(folder / "config.yaml",
        "model: {position: {kind: liere, block_size: " + std::to_string(block) + "}}\ndata: {fraction: " + std::to_string(fraction) + "}\n");
    folders.push_back(folder);
  };
  add("a0", 8, 1, 90, 0);
  add("a1", 8, 1, 92, 1);
  add("b0", 16, 1, 80, 0);
  add("c0", 8, 0.5, 50, 0);
  const auto runs = read_runs(folders);
  const Chart blocks = accuracy_over_block_size(runs), data = accuracy_over_data(runs);
  REQUIRE(blocks.curves.size() == 1);
  REQUIRE(blocks.curves[0].points.size() == 2);
  CHECK(blocks.curves[0].points[0].x == 3);
  CHECK(blocks.curves[0].points[0].y == 91);
  CHECK(blocks.curves[0].dots == std::vector<std::pair<double, double>>{{3, 90}, {3, 92}});
  CHECK(blocks.x_ticks == std::vector<std::pair<double, std::string>>{{3, "8"}, {4, "16"}});
  REQUIRE(data.curves.size() == 1);
  CHECK(data.curves[0].label == "LieRE_8");
  CHECK(data.curves[0].points[0].x == 50);
  CHECK(data.curves[0].points[1].y == 91);
  CHECK(accuracy_over_epochs(runs).curves.empty());
}

TEST_CASE("each encoding has its colour, in every report") {
  TemporaryFolder temporary;
  const auto both = read_runs({make_run(temporary.path() / "a", "absolute", 60), make_run(temporary.path() / "b", "LieRE_8", 90),
                               make_run(temporary.path() / "c", "new", 90)});
  const auto one = read_runs({make_run(temporary.path() / "d", "LieRE_8", 90)});
  CHECK(method_colors(both).at("LieRE_8") == method_colors(one).at("LieRE_8"));
  CHECK(method_colors(both).at("new") != method_colors(both).at("LieRE_8"));
  CHECK(method_colors(both).at("new") != method_colors(both).at("absolute"));
  CHECK(page_color(7) == page_color(0));
}
