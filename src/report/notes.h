// The words around the table: what was measured on what, what the figures do not say, and how to make what is missing.
#pragma once

#include <string>
#include <vector>

#include "report/run.h"

namespace liere::report {

/// "arrows, 2 runs".
std::string table_title(const std::vector<Run>& runs);
std::vector<std::string> table_notes(const std::vector<Run>& runs, double reach_percent);

}  // namespace liere::report
