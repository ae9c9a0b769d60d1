// The position-encoding workbench of liere-report: what trained encodings have learned, from their checkpoints alone. A table with a row per run, score maps
// of every layer and head, spectra, commutators, the similarity of an added table; docs/workbench.md says how to read them.
#pragma once

#include <filesystem>
#include <vector>

#include "report/page.h"
#include "report/table.h"
#include "report/workbench/analysis.h"

namespace liere::report {

/// Reads and analyses the newest checkpoint of every run. Throws CheckpointError with the file's name.
std::vector<Analysis> analyse_runs(const std::vector<std::filesystem::path>& runs);

/// A row per run.
Table workbench_table(const std::vector<Analysis>& analyses);

/// Writes workbench.csv, heads.csv (a row per layer and head) and the pictures workbench_*.{png,svg,pdf,tsv,gp} into `folder`, which exists, and gives the parts
/// of the page. Without gnuplot tables alone, and a warning.
std::vector<Section> write_workbench(const std::vector<Analysis>& analyses, const std::filesystem::path& folder, const std::string& plot_program = "gnuplot");

}  // namespace liere::report
