// The figures of the table for other programs: one flat record per run, as CSV and JSON with the same keys.
#pragma once

#include <string>
#include <vector>

#include "report/run.h"

namespace liere::report {

/// RFC 4180, one header line; unknown values are empty.
std::string csv(const std::vector<Run>& runs, double reach_percent);

/// {"reach_percent": 90, "groups": [{"label": ..., "top1": {"mean", "std", "min", "max", "n"}, ...}], "runs": [{"label": ..., "top1": ..., ...}], "notes": [...],
/// "paper": [{"table", "row", "column", "figure", "ours", "paper", "verdict", ...}], "differences": [{"first", "second", "difference", "p_holm", ...}]}; unknown
/// values are null. Reads the samples of the runs' evaluations.
std::string json_text(const std::vector<Run>& runs, double reach_percent);

}  // namespace liere::report
