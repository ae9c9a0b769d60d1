// One colour per encoding, the same in every table and picture and in every report: Okabe and Ito's palette (jfly.uni-koeln.de/color) without its
// yellow, which is hard to see on white.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "report/run.h"

namespace liere::report {

constexpr int kColorCount = 7;

/// "#0072B2", for white paper; index modulo kColorCount.
const char* paper_color(int index);
/// "var(--c0)": as the page's style has it, in light and in dark.
std::string page_color(int index);

/// Index of each method (Run::method): the paper's encodings have theirs, others take free ones in the order of the runs and, beyond kColorCount, go
/// on counting.
std::map<std::string, int> method_colors(const std::vector<Run>& runs);

}  // namespace liere::report
