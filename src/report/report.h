// A report as a folder: report.html (one page that needs no other file) and report.md with the tables and pictures; table.csv with every run's
// figures; table.tex, paper_X.csv and paper_X.tex (a table of the paper each), differences.csv and differences.tex; per picture NAME.png, NAME.svg,
// NAME.pdf, NAME.tsv (its figures) and NAME.gp (its script).
#pragma once

#include <filesystem>
#include <vector>

#include "report/page.h"
#include "report/run.h"
#include "report/table.h"

namespace liere::report {

/// Everything in words and numbers that a report says of the runs.
struct Findings {
  Table main, single, sizes;  // report/table.h
  std::vector<Table> paper;   // report/paper.h
  Table differences;          // report/differences.h

  /// Those with rows, in the order of a report.
  std::vector<const Table*> tables() const;
};

/// Reads the samples of the runs' evaluations. Throws DataError where they are damaged.
Findings find(const std::vector<Run>& runs, double reach_percent);

/// As a terminal shows them; `each_run` adds the second table.
std::string text(const Findings& findings, bool each_run);

/// kToPublish leaves out of the folder what only helps on this machine: scripts for gnuplot, their figures, SVG, PDF and LaTeX.
enum class Files { kAll, kToPublish };

/// Makes `folder` where it is missing and replaces what an earlier report left there. `more` stand at the page's end. Without gnuplot a warning names
/// the package and the report comes without pictures. Throws Error(kFailure) where a file cannot be written, or after everything else is written
/// where gnuplot fails.
void write_report(const std::vector<Run>& runs, double reach_percent, const std::filesystem::path& folder,
                  const std::string& plot_program = "gnuplot", const std::vector<Section>& more = {}, Files files = Files::kAll);

}  // namespace liere::report
