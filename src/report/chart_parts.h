// What the charts have in common: words around them, and curves of groups of seeds.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <vector>

#include "report/chart.h"

namespace liere::report {

struct Sample {
  double at, value;
};

/// "arrows, cifar100".
std::string dataset_text(const std::vector<Run>& runs);
/// "2,000 test images", "500 to 2,000 test images".
std::string image_count(const std::set<int64_t>& counts, const std::string& split);
std::string band_text(const Chart& chart);
/// The parts that are not empty, with dots between.
std::string subtitle(const std::vector<std::string>& parts);
/// The level of guessing where all runs whose dataset is known have the same.
std::optional<double> common_chance(const std::vector<Run>& runs);

/// One curve per run or group, from one series per run. Runs of a group that have no point in common are drawn one by one.
void add_curves(const std::vector<Run>& runs, const std::vector<std::vector<Sample>>& series, Chart& chart);

/// With its method's colour, dashed unlike the others of that colour.
void add_curve(Curve curve, int color, Chart& chart);

}  // namespace liere::report
