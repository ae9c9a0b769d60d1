#include "report/chart.h"

#include <algorithm>
#include <cctype>
#include <cmath>
#include <map>
#include <set>

#include "core/log.h"
#include "report/groups.h"
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

std::string image_count(const std::set<int64_t>& counts, const std::string& split) {
  if (counts.empty()) return "";
  return format_count(*counts.begin()) + (counts.size() > 1 ? " to " + format_count(*counts.rbegin()) : "") + " " + split + " images";
}

struct Sample {
  int64_t at;
  double value;
};

/// The mean and range of several series where all of them have a value.
Curve common_curve(const Group& group, const std::vector<const std::vector<Sample>*>& series) {
  std::map<int64_t, std::vector<double>> values;
  for (const auto* one : series)
    for (const Sample& sample : *one) values[sample.at].push_back(sample.value);
  Curve curve{.label = group.label, .band = true};
  for (const auto& [at, all] : values) {
    const Spread spread = spread_of(all);
    if (all.size() == series.size()) curve.points.push_back({static_cast<double>(at), spread.mean, spread.low, spread.high});
  }
  return curve;
}

Curve single_curve(const std::string& label, const std::vector<Sample>& series) {
  Curve curve{.label = label};
  for (const auto& [at, value] : series) curve.points.push_back({static_cast<double>(at), value, value, value});
  return curve;
}

/// One curve per run or group, from one series per run. Runs of a group that have no point in common are drawn one by one.
void add_curves(const std::vector<Run>& runs, const std::vector<std::vector<Sample>>& series, Chart& chart) {
  const auto groups = group_by_seed(runs);
  for (size_t i = 0; i < groups.size(); ++i) {
    std::vector<Curve> curves;
    std::vector<const std::vector<Sample>*> of_group;
    for (const Run* run : groups[i].runs) of_group.push_back(&series[static_cast<size_t>(run - runs.data())]);
    if (of_group.size() > 1) curves = {common_curve(groups[i], of_group)};
    if (curves.empty() || curves[0].points.empty()) {
      curves.clear();
      for (size_t k = 0; k < of_group.size(); ++k) curves.push_back(single_curve(groups[i].runs[k]->label, *of_group[k]));
    }
    for (Curve& curve : curves) {
      curve.color = static_cast<int>(i);
      if (!curve.points.empty()) chart.curves.push_back(curve);
    }
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
  std::set<std::string> splits;
  std::set<int64_t> counts;
  std::vector<std::vector<Sample>> series;
  for (const Run& run : runs) {
    series.emplace_back();
    for (const EvalEvent& eval : run.evals) {
      if (!std::isfinite(eval.accuracy.top1)) continue;
      series.back().push_back({eval.samples, eval.accuracy.top1});
      splits.insert(eval.split);
      if (eval.accuracy.samples) counts.insert(*eval.accuracy.samples);
    }
  }
  const std::string split = splits.size() == 1 ? *splits.begin() : splits.empty() ? "test" : "test and holdout";
  std::string title = split + " accuracy during training";
  title[0] = static_cast<char>(std::toupper(static_cast<unsigned char>(title[0])));
  Chart chart{.name = "learning_curves", .title = title, .x_title = "training images seen", .y_title = split + " accuracy, top-1 (%)"};
  add_curves(runs, series, chart);
  chart.subtitle = subtitle({dataset_text(runs), image_count(counts, splits == std::set<std::string>{"holdout"} ? "holdout" : "test"), band_text(chart)});
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
  bool several = false;
  for (const Size& size : sizes) {
    const bool square = size.size() > 1 && size.back() == size[size.size() - 2];
    chart.x_ticks.push_back({side(size), square ? std::to_string(size.back()) : size_text(size)});
  }
  const auto groups = group_by_seed(runs);
  for (size_t i = 0; i < groups.size(); ++i) {
    Curve curve{.label = groups[i].label, .color = static_cast<int>(i)};
    for (const Size& size : sizes) {
      const Spread spread = groups[i].spread([&size](const Run& run) {
        const ResolutionResult* result = main_result(run, size);
        return result ? result->accuracy.top1 : kUnknown;
      });
      if (spread.count < groups[i].runs.size()) continue;
      const Accuracy& first = main_result(*groups[i].runs.front(), size)->accuracy;
      const Interval own = accuracy_interval(first).value_or(Interval{first.top1, first.top1});
      several |= spread.count > 1;
      curve.points.push_back({side(size), spread.mean, spread.count > 1 ? spread.low : own.low, spread.count > 1 ? spread.high : own.high});
      if (first.samples) counts.insert(*first.samples);
    }
    if (!curve.points.empty()) chart.curves.push_back(curve);
  }
  if (const auto trained = trained_size(runs)) chart.x_marker = std::pair(side(*trained), std::string("training size"));
  chart.subtitle = subtitle({dataset_text(runs), image_count(counts, "test") + (counts.empty() ? "" : " per size"),
                             several ? "bars: range over seeds, or 95 % interval of one run" : counts.empty() ? "" : "bars: 95 % interval"});
  chart.caption = main_manners_in_words(runs);
  chart.chance = common_chance(runs);
  return chart;
}

Chart orthogonality_curves(const std::vector<Run>& runs) {
  constexpr size_t kMostPoints = 300;
  Chart chart{.name = "orthogonality",
              .title = "Orthogonality of the rotations during training",
              .x_title = "training images seen",
              .y_title = "largest entry of |RᵀR − I|",
              .log_y = true};
  std::vector<std::vector<Sample>> series;
  for (const Run& run : runs) {
    series.emplace_back();
    const size_t stride = run.orthogonality.size() / kMostPoints + 1;
    for (size_t i = 0; i < run.orthogonality.size(); ++i) {
      const auto [samples, error] = run.orthogonality[i];
      if (!(error > 0)) continue;  // an error of 0 (no rotation, or an exact one) has no place on a logarithmic axis
      if (i % stride == 0 || series.back().empty())
        series.back().push_back({samples, error});
      else
        series.back().back().value = std::max(series.back().back().value, error);
    }
  }
  add_curves(runs, series, chart);
  chart.subtitle = subtitle({dataset_text(runs), band_text(chart)});
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
