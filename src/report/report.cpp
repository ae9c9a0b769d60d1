#include "report/report.h"

#include <algorithm>

#include "core/check.h"
#include "core/files.h"
#include "core/log.h"
#include "report/attention.h"
#include "report/chart.h"
#include "report/differences.h"
#include "report/gnuplot.h"
#include "report/html.h"
#include "report/notes.h"
#include "report/paper.h"
#include "report/records.h"
#include "report/run_table.h"

namespace liere::report {
namespace {

namespace fs = std::filesystem;

struct Pictures {
  std::string markdown, html, problem;
};

/// A picture's alternative text and caption; its files lie beside the page under one name.
std::string figure(const Chart& chart, const fs::path& folder, Files files) {
  const std::string svg = inline_svg(read_file(folder / (chart.name + ".svg")), chart.name, chart.title);
  return "<figure><div class=\"wide\">" + svg + "</div><figcaption>" + escaped_for_html(chart.name) +
         (files == Files::kAll ? ".png, .svg, .pdf; figures in .tsv, script in .gp" : ".png") + "</figcaption></figure>\n";
}

Pictures draw_pictures(const std::vector<Run>& runs, const fs::path& folder, const std::string& program, Files files) {
  Pictures pictures;
  bool found = true;
  for (const Chart& chart : all_charts(runs)) {
    for (const char* ending : {".png", ".svg", ".pdf"}) fs::remove(folder / (chart.name + ending));
    if (chart.curves.empty()) continue;
    try {
      found = draw(chart, folder, program) == Drawn::kYes;
      if (!found) continue;  // its figures and script are there
      pictures.markdown += "![" + chart.title + "](" + chart.name + ".png)\n\n";
      pictures.html += figure(chart, folder, files);
    } catch (const Error& error) {
      if (pictures.problem.empty()) pictures.problem = error.what();
    }
  }
  if (!found) log_warning(program + " was not found: the report has no pictures. Install it with: apt-get install gnuplot-nox");
  return pictures;
}

std::string headed(const Table& table) { return table.rows.empty() ? "" : "<h3>" + escaped_for_html(table.title) + "</h3>\n" + html(table); }

std::vector<Section> sections(const std::vector<Run>& runs, const Findings& findings, const Pictures& pictures) {
  std::string beside_paper;
  for (const Table& table : findings.paper) beside_paper += headed(table);
  return {{"Results", html(findings.main)}, {"Ours beside the paper", beside_paper},
          {"Pictures", pictures.html},      {findings.differences.title, html(findings.differences)},
          attention_section(runs),          {"Runs", html(run_table(runs)) + headed(findings.single) + headed(findings.sizes)}};
}

/// CSV and LaTeX of the tables; those of an earlier report are gone.
void write_tables(const Findings& findings, const fs::path& folder) {
  for (char letter = 'A'; letter <= 'M'; ++letter)
    for (const char* ending : {".csv", ".tex"}) fs::remove(folder / ("paper_" + std::string(1, letter) + ending));
  for (const char* name : {"differences.csv", "differences.tex"}) fs::remove(folder / name);
  write_file_atomically(folder / "table.tex", latex(findings.main));
  for (const Table& table : findings.paper) {
    const std::string name = "paper_" + table.title.substr(std::string("Table ").size(), 1);
    write_file_atomically(folder / (name + ".csv"), csv(table));
    write_file_atomically(folder / (name + ".tex"), latex(table));
  }
  if (findings.differences.rows.empty()) return;
  write_file_atomically(folder / "differences.csv", csv(findings.differences));
  write_file_atomically(folder / "differences.tex", latex(findings.differences));
}

/// Of this report's files: the folder may hold others.
void keep_what_is_published(const fs::path& folder) {
  for (const Chart& chart : all_charts({}))
    for (const char* ending : {".gp", ".tsv", ".svg", ".pdf"}) fs::remove(folder / (chart.name + ending));
  for (const char* name : {"table.tex", "differences.tex"}) fs::remove(folder / name);
  for (char letter = 'A'; letter <= 'M'; ++letter) fs::remove(folder / ("paper_" + std::string(1, letter) + ".tex"));
}

std::string markdown_report(const Findings& findings, const Pictures& pictures) {
  std::string text = "# " + findings.main.title + "\n\n" + markdown(findings.main) + "\n" + pictures.markdown;
  for (const Table* table : findings.tables())
    if (table != &findings.main) text += "## " + table->title + "\n\n" + markdown(*table) + "\n";
  return text;
}

}  // namespace

std::vector<const Table*> Findings::tables() const {
  std::vector<const Table*> all = {&main};
  for (const Table& table : paper) all.push_back(&table);
  for (const Table* table : {&differences, &single, &sizes})
    if (!table->rows.empty()) all.push_back(table);
  return all;
}

Findings find(const std::vector<Run>& runs, double reach_percent) {
  const Estimates estimates(runs);
  const std::vector<Group> groups = group_by_seed(runs);
  Findings findings{make_table(runs, reach_percent), make_runs_table(runs, reach_percent), make_size_table(runs),
                    paper_tables(paper_cells(runs, estimates)), differences_table(estimates.comparisons(groups))};
  add_pictures(runs, groups, estimates, findings.main);
  for (const std::string& note : estimates.notes()) findings.main.notes.push_back(note);
  for (const Run& run : runs)
    for (const std::string& reason : run.config.left_out)
      findings.main.notes.push_back(run.label + ": an entry of reproduces was left out: " + reason);
  return findings;
}

std::string text(const Findings& findings, bool each_run) {
  std::string all;
  for (const Table* table : findings.tables())
    if (table != &findings.single || each_run) all.append(all.empty() ? "" : "\n").append(text(*table));
  return all;
}

void write_report(const std::vector<Run>& runs, double reach_percent, const fs::path& folder, const std::string& plot_program,
                  const std::vector<Section>& more, Files files) {
  std::error_code failure;
  fs::create_directories(folder, failure);
  if (failure)
    throw Error(ExitCode::kFailure,
                "the report's folder '" + folder.string() + "' could not be made: " + failure.message() + ". Choose another with --output.");
  const Findings findings = find(runs, reach_percent);
  write_file_atomically(folder / "table.csv", csv(runs, reach_percent));
  write_tables(findings, folder);
  const Pictures pictures = draw_pictures(runs, folder, plot_program, files);
  write_file_atomically(folder / "report.md", markdown_report(findings, pictures));
  Page page{findings.main.title, "Training runs, reported by liere-report from their folders alone.", sections(runs, findings, pictures)};
  page.sections.insert(page.sections.end() - 1, more.begin(), more.end());
  write_file_atomically(folder / "report.html", page_html(page));
  if (files == Files::kToPublish) keep_what_is_published(folder);
  constexpr uintmax_t kLargePage = 600'000;
  if (const auto size = fs::file_size(folder / "report.html"); files == Files::kToPublish && size > kLargePage)
    log_warning("report.html takes " + std::to_string(size / 1000) + " KB, more than the 600 KB that a page in a repository should: publish fewer runs, or leave out --workbench.");
  if (!pictures.problem.empty()) throw Error(ExitCode::kFailure, pictures.problem);
}

}  // namespace liere::report
