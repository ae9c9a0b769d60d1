// A report as a folder: report.md with the table and the pictures, table.csv, and per picture NAME.png, NAME.tsv (its figures), NAME.gp (its script).
#pragma once

#include <filesystem>
#include <vector>

#include "report/run.h"

namespace liere::report {

/// Makes `folder` where it is missing and replaces what an earlier report left there. Without gnuplot a warning names the package and the report comes without pictures.
/// Throws Error(kFailure) where a file cannot be written, or after everything else is written where gnuplot fails.
void write_report(const std::vector<Run>& runs, double reach_percent, const std::filesystem::path& folder, const std::string& plot_program = "gnuplot");

}  // namespace liere::report
