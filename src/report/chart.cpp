#include "report/chart.h"

#include <algorithm>
#include <cctype>
#include <cmath>
#include <set>

#include "report/chart_parts.h"
#include "report/groups.h"
#include "report/sizes.h"
#include "report/palette.h"
#include "report/statistics.h"

namespace liere::report {
namespace {

double side(const Size& size) {
  const double last = static_cast<double>(size.back());
  return size.size() < 2 ? last : std::sqrt(last * static_cast<double>(size[size.size() - 2]));
}

/// Values that training logged, on a logarithmic axis: 0 (no rotation, or an exact one) has no place there. Of a long run the largest of neighbouring values.
void add_traces(const std::vector<Run>& runs, Run::Trace Run::* trace, Chart& chart) {
  constexpr size_t kMostPoints = 300;
  std::vector<std::vector<Sample>> series;
  for (const Run& run : runs) {
    const auto& values = run.*trace;
    series.emplace_back();
    const size_t stride = values.size() / kMostPoints + 1;
    for (size_t i = 0; i < values.size(); ++i) {
      const auto [samples, value] = values[i];
      if (!(value > 0)) continue;
      if (i % stride == 0 || series.back().empty())
        series.back().push_back({static_cast<double>(samples), value});
      else
        series.back().back().value = std::max(series.back().back().value, value);
    }
  }
  add_curves(runs, series, chart);
  chart.subtitle = subtitle({dataset_text(runs), band_text(chart)});
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
      series.back().push_back({static_cast<double>(eval.samples), eval.accuracy.top1});
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
  const auto colors = method_colors(runs);
  for (size_t i = 0; i < groups.size(); ++i) {
    Curve curve{.label = groups[i].label};
    const bool several_seeds = groups[i].runs.size() > 1;
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
      if (several_seeds)
        for (const Run* run : groups[i].runs) curve.dots.push_back({side(size), main_result(*run, size)->accuracy.top1});
    }
    if (!curve.points.empty()) add_curve(curve, colors.at(groups[i].runs.front()->method), chart);
  }
  if (const auto trained = trained_size(runs)) chart.x_marker = std::pair(side(*trained), std::string("training size"));
  chart.subtitle = subtitle({dataset_text(runs), image_count(counts, "test") + (counts.empty() ? "" : " per size"),
                             several ? "bars: range over seeds, or 95 % interval of one run" : counts.empty() ? "" : "bars: 95 % interval"});
  chart.caption = main_manners_in_words(runs);
  chart.chance = common_chance(runs);
  return chart;
}

Chart orthogonality_curves(const std::vector<Run>& runs) {
  Chart chart{.name = "orthogonality",
              .title = "Orthogonality of the rotations during training",
              .x_title = "training images seen",
              .y_title = "largest entry of |RᵀR − I|",
              .log_y = true};
  add_traces(runs, &Run::orthogonality, chart);
  return chart;
}

Chart gradient_norm_curves(const std::vector<Run>& runs) {
  Chart chart{.name = "gradient_norm",
              .title = "Gradient norm during training",
              .x_title = "training images seen",
              .y_title = "2-norm of the whole gradient",
              .caption = "Before clipping; of a long run the largest of neighbouring values.",
              .log_y = true};
  add_traces(runs, &Run::gradient_norm, chart);
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
