// The table of differences between methods: paired by seed, with what may and what may not be concluded.
#pragma once

#include <vector>

#include "report/estimates.h"
#include "report/table.h"

namespace liere::report {

/// What may be concluded, in words: "two runs, not two methods", "not shown: three seeds cannot show it".
std::string conclusion(const Comparison& comparison);

/// One row per comparison; no rows without comparisons.
Table differences_table(const std::vector<Comparison>& comparisons);

}  // namespace liere::report
