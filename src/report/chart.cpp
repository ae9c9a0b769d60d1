#include "report/chart.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "core/log.h"
#include "report/sizes.h"
#include "report/statistics.h"

namespace liere::report {
namespace {

std::string dataset_text(const std::vector<Run>& runs) {
  std::string text;
  std::set<std::string> seen;
  for (const Run& run : runs)
    if (!run.dataset.empty() && seen.insert(run.dataset).second) text += (text.empty() ? "" : ", ") + run.dataset;
  return text;
}

std::string image_count(const std::set<int64_t>& counts) {
  if (counts.empty()) return "";
  return format_count(*counts.begin()) + (counts.size() > 1 ? " to " + format_count(*counts.rbegin()) : "") + " test images";
}

std::string subtitle(const std::vector<std::string>& parts) {
  std::string text;
  for (const std::string& part : parts)
    if (!part.empty()) text += (text.empty() ? "" : "  ·  ") + part;
  return text;
}

/// The level of guessing where all runs whose dataset is known have the same.
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

double side(const Size& size) {
  const double last = static_cast<double>(size.back());
  return size.size() < 2 ? last : std::sqrt(last * static_cast<double>(size[size.size() - 2]));
}

}  // namespace

Chart learning_curves(const std::vector<Run>& runs) {
  Chart chart{
      .name = "learning_curves", .title = "Test accuracy during training", .x_title = "training images seen", .y_title = "test accuracy, top-1 (%)"};
  std::set<int64_t> counts;
  for (size_t i = 0; i < runs.size(); ++i) {
    Curve curve{.label = runs[i].label, .color = static_cast<int>(i)};
    for (const EvalEvent& eval : runs[i].evals) {
      const double top1 = eval.accuracy.top1;
      if (!std::isfinite(top1)) continue;
      curve.points.push_back({static_cast<double>(eval.samples), top1, top1, top1});
      if (eval.accuracy.samples) counts.insert(*eval.accuracy.samples);
    }
    if (!curve.points.empty()) chart.curves.push_back(curve);
  }
  chart.subtitle = subtitle({dataset_text(runs), image_count(counts)});
  chart.chance = common_chance(runs);
  return chart;
}

Chart accuracy_over_size(const std::vector<Run>& runs) {
  Chart chart{.name = "accuracy_over_size",
              .title = "Test accuracy over image size",
              .x_title = "image side (pixels)",
              .y_title = "test accuracy, top-1 (%)",
              .error_bars = true};
  const std::vector<Size> sizes = evaluated_sizes(runs);
  std::set<int64_t> counts;
  for (const Size& size : sizes) {
    const bool square = size.size() > 1 && size.back() == size[size.size() - 2];
    chart.x_ticks.push_back({side(size), square ? std::to_string(size.back()) : size_text(size)});
  }
  for (size_t i = 0; i < runs.size(); ++i) {
    Curve curve{.label = runs[i].label, .color = static_cast<int>(i)};
    for (const Size& size : sizes) {
      const ResolutionResult* result = main_result(runs[i], size);
      if (!result || !std::isfinite(result->accuracy.top1)) continue;
      const double top1 = result->accuracy.top1;
      const int64_t count = result->accuracy.samples.value_or(0);
      const Interval bar = count > 0 ? wilson_interval(top1, count) : Interval{top1, top1};
      curve.points.push_back({side(size), top1, bar.low, bar.high});
      if (count > 0) counts.insert(count);
    }
    if (!curve.points.empty()) chart.curves.push_back(curve);
  }
  if (const auto trained = trained_size(runs)) chart.x_marker = std::pair(side(*trained), std::string("training size"));
  chart.subtitle =
      subtitle({dataset_text(runs), image_count(counts) + (counts.empty() ? "" : " per size"), counts.empty() ? "" : "bars: 95 % interval"});
  chart.caption = main_manners_in_words(runs);
  chart.chance = common_chance(runs);
  return chart;
}

std::vector<double> spread(std::vector<double> wanted, double gap, double low, double high) {
  const size_t n = wanted.size();
  if (n == 0) return {};
  if (n > 1) gap = std::min(gap, (high - low) / static_cast<double>(n - 1));
  // With i * gap taken off, "at least gap apart" is "not descending": pool adjacent violators.
  struct Pool {
    double sum;
    size_t count;
    double mean() const { return sum / static_cast<double>(count); }
  };
  std::vector<Pool> pools;
  for (size_t i = 0; i < n; ++i) {
    pools.push_back({wanted[i] - static_cast<double>(i) * gap, 1});
    while (pools.size() > 1 && pools[pools.size() - 2].mean() > pools.back().mean()) {
      pools[pools.size() - 2].sum += pools.back().sum;
      pools[pools.size() - 2].count += pools.back().count;
      pools.pop_back();
    }
  }
  std::vector<double> placed;
  const double top = std::max(low, high - static_cast<double>(n - 1) * gap);
  for (const Pool& pool : pools)
    for (size_t i = 0; i < pool.count; ++i) placed.push_back(std::clamp(pool.mean(), low, top) + static_cast<double>(placed.size()) * gap);
  return placed;
}

}  // namespace liere::report
