#include "report/chart_parts.h"

#include <algorithm>
#include <map>

#include "core/log.h"
#include "report/groups.h"
#include "report/palette.h"
#include "report/statistics.h"

namespace liere::report {

std::string dataset_text(const std::vector<Run>& runs) {
  std::string text;
  std::set<std::string> seen;
  for (const Run& run : runs)
    if (!run.dataset.empty() && seen.insert(run.dataset).second) text += (text.empty() ? "" : ", ") + run.dataset;
  return text;
}

std::string image_count(const std::set<int64_t>& counts, const std::string& split) {
  if (counts.empty()) return "";
  return format_count(*counts.begin()) + (counts.size() > 1 ? " to " + format_count(*counts.rbegin()) : "") + " " + split + " images";
}

namespace {

/// The mean and range of several series where all of them have a value.
Curve common_curve(const Group& group, const std::vector<const std::vector<Sample>*>& series) {
  std::map<double, std::vector<double>> values;
  for (const auto* one : series)
    for (const Sample& sample : *one) values[sample.at].push_back(sample.value);
  Curve curve{.label = group.label, .band = true};
  for (const auto& [at, all] : values) {
    const Spread spread = spread_of(all);
    if (all.size() < series.size()) continue;
    curve.points.push_back({at, spread.mean, spread.low, spread.high});
    for (const double value : all) curve.dots.push_back({at, value});
  }
  return curve;
}

Curve single_curve(const std::string& label, const std::vector<Sample>& series) {
  Curve curve{.label = label};
  for (const auto& [at, value] : series) curve.points.push_back({at, value, value, value});
  return curve;
}

}  // namespace

void add_curves(const std::vector<Run>& runs, const std::vector<std::vector<Sample>>& series, Chart& chart) {
  const auto groups = group_by_seed(runs);
  const auto colors = method_colors(runs);
  for (size_t i = 0; i < groups.size(); ++i) {
    std::vector<Curve> curves;
    std::vector<const std::vector<Sample>*> of_group;
    for (const Run* run : groups[i].runs) of_group.push_back(&series[static_cast<size_t>(run - runs.data())]);
    if (of_group.size() > 1) curves = {common_curve(groups[i], of_group)};
    if (curves.empty() || curves[0].points.empty()) {
      curves.clear();
      for (size_t k = 0; k < of_group.size(); ++k) curves.push_back(single_curve(groups[i].runs[k]->label, *of_group[k]));
    }
    for (const Curve& curve : curves)
      if (!curve.points.empty()) add_curve(curve, colors.at(groups[i].runs.front()->method), chart);
  }
}

std::string band_text(const Chart& chart) {
  const bool any = std::any_of(chart.curves.begin(), chart.curves.end(), [](const Curve& curve) { return curve.band; });
  return any ? "band: lowest to highest seed" : "";
}

std::string subtitle(const std::vector<std::string>& parts) {
  std::string text;
  for (const std::string& part : parts)
    if (!part.empty()) text += (text.empty() ? "" : "  ·  ") + part;
  return text;
}

std::optional<double> common_chance(const std::vector<Run>& runs) {
  std::optional<double> chance;
  for (const Run& run : runs) {
    if (run.dataset.empty() && !run.classes) continue;
    const std::optional<double> level = chance_level(run);
    if (!level || (chance && *chance != *level)) return std::nullopt;
    chance = level;
  }
  return chance;
}

void add_curve(Curve curve, int color, Chart& chart) {
  curve.color = color;
  curve.dash =
      static_cast<int>(std::count_if(chart.curves.begin(), chart.curves.end(), [color](const Curve& other) { return other.color == color; }));
  chart.curves.push_back(std::move(curve));
}

}  // namespace liere::report
