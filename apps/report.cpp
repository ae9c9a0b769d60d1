// liere-report: tables, pictures and one page from run folders, and the workbench of position encodings.
#include "report/report.h"

#include <CLI/CLI.hpp>
#include <cstdio>

#include "core/check.h"
#include "core/files.h"
#include "core/log.h"
#include "report/records.h"
#include "report/table.h"
#include "report/workbench/workbench.h"

int main(int argc, char** argv) {
  std::vector<std::filesystem::path> folders;
  std::string output, json_path;
  double reach = 90;
  bool each_run = false, workbench = false, publish = false;
  CLI::App app("Tables and pictures of training runs, from their folders alone.", "liere-report");
  app.footer(
      "Example:\n  liere-report runs/arrows_rope_mixed runs/arrows_liere_8 --output report\n\n"
      "prints the tables and writes report/report.html (one page that needs no other file), report.md, tables as CSV and LaTeX, and pictures\n"
      "such as learning_curves.png (each where the runs hold its figures). Runs that differ in their seed alone become one row: mean and standard deviation.\n"
      "Exit codes: 0 done, 1 failure (also of gnuplot), 2 wrong arguments, 3 a folder that is not a run or a file that is damaged.");
  app.add_option("RUN", folders, "run folders written by liere-train (and liere-eval)")->required();
  app.add_option("--output", output, "write the page, the tables and the pictures into this folder")->type_name("DIR");
  app.add_option("--json", json_path, "write the figures as JSON")->type_name("FILE");
  app.add_option("--reach", reach, "accuracy of the column of training images seen")
      ->type_name("PERCENT")
      ->capture_default_str()
      ->check(CLI::Range(0.0, 100.0));
  app.add_flag("--runs", each_run, "print a second table with each run by itself, where seeds were put together");
  app.add_flag("--workbench", workbench, "add what the runs' position encodings have learned, from their checkpoints: score maps, spectra, commutators");
  app.add_flag("--publish", publish, "make the folder of --output fit for a repository: page, Markdown, CSV and PNG alone, run folders named without the path to them");
  if (argc == 1) {
    std::fputs(app.help().c_str(), stderr);
    return static_cast<int>(liere::ExitCode::kConfiguration);
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : static_cast<int>(liere::ExitCode::kConfiguration);
  }
  return liere::run_command([&] {
    if (publish && output.empty()) throw liere::ConfigError("--publish is about the report's folder: name it with --output.");
    const auto runs = liere::report::read_runs(folders, publish ? liere::report::FolderNames::kBelowCommonFolder : liere::report::FolderNames::kAsGiven);
    std::fputs(text(liere::report::find(runs, reach), each_run).c_str(), stdout);
    std::fflush(stdout);
    const auto analyses = workbench ? liere::report::analyse_runs(folders) : std::vector<liere::report::Analysis>();
    if (workbench) std::printf("\n%s", text(liere::report::workbench_table(analyses)).c_str());
    if (!json_path.empty()) liere::write_file_atomically(json_path, liere::report::json_text(runs, reach));
    if (output.empty()) return 0;
    std::filesystem::create_directories(output);
    liere::report::write_report(runs, reach, output, "gnuplot", workbench ? write_workbench(analyses, output) : std::vector<liere::report::Section>(),
                                publish ? liere::report::Files::kToPublish : liere::report::Files::kAll);
    liere::log_info("Report: " + (std::filesystem::path(output) / "report.html").string());
    return 0;
  });
}
