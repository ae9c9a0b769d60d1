#include "report/report.h"

#include "core/check.h"
#include "core/files.h"
#include "core/log.h"
#include "report/chart.h"
#include "report/gnuplot.h"
#include "report/notes.h"
#include "report/records.h"
#include "report/table.h"

namespace liere::report {

void write_report(const std::vector<Run>& runs, double reach_percent, const std::filesystem::path& folder, const std::string& plot_program) {
  std::error_code failure;
  std::filesystem::create_directories(folder, failure);
  if (failure)
    throw Error(ExitCode::kFailure,
                "the report's folder '" + folder.string() + "' could not be made: " + failure.message() + ". Choose another with --output.");
  write_file_atomically(folder / "table.csv", csv(runs, reach_percent));

  std::string pictures, problem;
  bool found = true;
  for (const Chart& chart : {learning_curves(runs), accuracy_over_size(runs), orthogonality_curves(runs)}) {
    std::filesystem::remove(folder / (chart.name + ".png"));
    if (chart.curves.empty() || !found) continue;
    try {
      found = draw(chart, folder, plot_program) == Drawn::kYes;
      if (found) pictures += "![" + chart.title + "](" + chart.name + ".png)\n\n";
    } catch (const Error& error) {
      if (problem.empty()) problem = error.what();
    }
  }
  if (!found) log_warning(plot_program + " was not found: the report has no pictures. Install it with: apt-get install gnuplot-nox");

  const Table table = make_table(runs, reach_percent);
  const Table sizes = make_size_table(runs);
  const std::string size_section = sizes.rows.empty() ? "" : "## " + sizes.title + "\n\n" + markdown(sizes);
  const Table single = make_runs_table(runs, reach_percent);
  const std::string run_section = single.rows.empty() ? "" : "## " + single.title + "\n\n" + markdown(single) + (size_section.empty() ? "" : "\n");
  write_file_atomically(folder / "report.md", "# " + table.title + "\n\n" + markdown(table) + "\n" + pictures + run_section + size_section);
  if (!problem.empty()) throw Error(ExitCode::kFailure, problem);
}

}  // namespace liere::report
