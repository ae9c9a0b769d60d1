// Charts of what was varied: block size, part of the data, epochs; and the epochs to reach the absolute encoding's accuracy.
#include <algorithm>
#include <cmath>
#include <functional>
#include <map>

#include "report/chart.h"
#include "report/chart_parts.h"
#include "report/groups.h"
#include "report/palette.h"
#include "report/paper.h"
#include "report/statistics.h"
#include "report/table.h"

namespace liere::report {
namespace {

struct Varied {
  std::function<std::optional<double>(const Run&)> at;
  std::function<std::string(const Run&)> label;
  std::function<std::string(const Run&)> fixed;  // the same for all runs of a curve
};

std::string number_text(double value) { return format_number(value, value == std::floor(value) ? 0 : value < 1 ? 2 : 1); }

/// Finished groups of one curve, by place; a second group at the same place (something else differs too) opens a curve of its own.
void add_varied(const std::vector<Run>& runs, const Varied& varied, Chart& chart) {
  struct Place {
    std::map<double, Group> groups;
    std::string label, fixed;
  };
  std::vector<Place> places;
  for (const Group& group : group_by_seed(runs)) {
    const Run& first = *group.runs.front();
    const auto at = varied.at(first);
    if (!at || first.state != "done" || group.spread([](const Run& run) { return run.accuracy().top1; }).count < group.runs.size()) continue;
    const std::string fixed = first.dataset + "\n" + varied.fixed(first);
    auto place = std::find_if(places.begin(), places.end(), [&](const Place& other) { return other.fixed == fixed && !other.groups.count(*at); });
    if (place == places.end()) place = places.insert(places.end(), Place{{}, varied.label(first), fixed});
    place->groups.emplace(*at, group);
  }
  const auto colors = method_colors(runs);
  std::map<double, std::string> ticks;
  for (const Place& place : places) {
    if (place.groups.size() < 2) continue;
    Curve curve{.label = place.label};
    for (const auto& [at, group] : place.groups) {
      const Spread spread = group.spread([](const Run& run) { return run.accuracy().top1; });
      curve.points.push_back({at, spread.mean, spread.low, spread.high});
      if (group.runs.size() > 1)
        for (const Run* run : group.runs) curve.dots.push_back({at, run->accuracy().top1});
      ticks[at] = "";
    }
    add_curve(curve, colors.at(place.groups.begin()->second.runs.front()->method), chart);
  }
  for (const auto& [at, text] : ticks) chart.x_ticks.push_back({at, number_text(at)});
  const bool seeds = std::any_of(chart.curves.begin(), chart.curves.end(), [](const Curve& curve) { return !curve.dots.empty(); });
  chart.subtitle = subtitle({dataset_text(runs), seeds ? "dots: seeds, line: their mean" : ""});
  chart.chance = common_chance(runs);
}

/// " (cifar100)" where the runs' datasets differ.
std::string dataset_mark(const Run& run, const std::vector<Run>& runs) {
  const bool differ =
      std::any_of(runs.begin(), runs.end(), [&run](const Run& other) { return !other.dataset.empty() && other.dataset != run.dataset; });
  return differ ? " (" + run.dataset + ")" : "";
}

std::string data_mark(const Run& run) {
  const double part = run.config.data_fraction.value_or(1);
  return part < 1 ? ", " + number_text(100 * part) + " % of the data" : "";
}

std::string epochs_text(const Run& run) { return std::to_string(run.epochs.value_or(0)); }

}  // namespace

Chart accuracy_over_block_size(const std::vector<Run>& runs) {
  Chart chart{.name = "accuracy_over_block_size",
              .title = "Test accuracy over block size",
              .x_title = "side of a rotation block",
              .y_title = "test accuracy, top-1 (%)"};
  const auto side = [](const Run& run) {
    return run.config.block_size ? std::optional(std::log2(static_cast<double>(*run.config.block_size))) : std::nullopt;
  };
  const auto label = [&runs](const Run& run) { return "LieRE" + dataset_mark(run, runs) + data_mark(run); };
  add_varied(runs, {side, label, [](const Run& run) { return data_mark(run) + "\n" + epochs_text(run); }}, chart);
  for (auto& [at, text] : chart.x_ticks) text = number_text(std::exp2(at));
  return chart;
}

Chart accuracy_over_data(const std::vector<Run>& runs) {
  Chart chart{.name = "accuracy_over_data",
              .title = "Test accuracy over training data",
              .x_title = "part of the training images (%)",
              .y_title = "test accuracy, top-1 (%)"};
  const auto percent = [](const Run& run) {
    return run.config.data_fraction ? std::optional(std::round(1000 * *run.config.data_fraction) / 10) : std::nullopt;
  };
  const auto label = [&runs](const Run& run) { return run.method + dataset_mark(run, runs); };
  add_varied(runs, {percent, label, [](const Run& run) { return run.method + "\n" + epochs_text(run); }}, chart);
  return chart;
}

Chart accuracy_over_epochs(const std::vector<Run>& runs) {
  Chart chart{.name = "accuracy_over_epochs",
              .title = "Test accuracy over the length of training",
              .x_title = "epochs of the whole training",
              .y_title = "test accuracy, top-1 (%)"};
  const auto epochs = [](const Run& run) { return run.epochs.value_or(0) > 0 ? std::optional(static_cast<double>(*run.epochs)) : std::nullopt; };
  const auto label = [&runs](const Run& run) { return run.method + dataset_mark(run, runs) + data_mark(run); };
  add_varied(runs, {epochs, label, [](const Run& run) { return run.method + data_mark(run); }}, chart);
  return chart;
}

Chart epochs_to_reach_absolute(const std::vector<Run>& runs) {
  Chart chart{.name = "epochs_to_reach_absolute",
              .x_format = "%g",
              .title = "Epochs to the absolute encoding's accuracy",
              .x_title = "epochs",
              .y_title = "accuracy, top-1 (%)"};
  AbsoluteLevel level;  // of the longest training: all of the data where runs saw different shares of it
  int64_t longest = -1;
  for (const Run& run : runs) {
    const AbsoluteLevel own = absolute_level(run, runs);
    if (std::isnan(own.percent) || std::isnan(epochs_per_sample(run)) || run.samples_seen.value_or(0) <= longest) continue;
    level = own;
    longest = run.samples_seen.value_or(0);
  }
  std::vector<Run> compared;
  for (const Run& run : runs) {
    const AbsoluteLevel own = absolute_level(run, runs);
    if (std::isnan(own.percent) || std::isnan(epochs_per_sample(run))) continue;
    if (own.percent == level.percent && own.epochs == level.epochs && run.dataset == (compared.empty() ? run : compared.front()).dataset)
      compared.push_back(run);
  }
  if (std::all_of(compared.begin(), compared.end(), [](const Run& run) { return run.encoding == "absolute"; })) return chart;
  const auto groups = group_by_seed(compared);
  const auto colors = method_colors(runs);
  for (const Group& group : groups) {
    std::vector<std::vector<Sample>> series;
    for (const Run* run : group.runs) {
      series.emplace_back();
      for (const EvalEvent& eval : run->evals)
        if (std::isfinite(eval.accuracy.top1))
          series.back().push_back({static_cast<double>(eval.samples) * epochs_per_sample(*run), eval.accuracy.top1});
    }
    std::vector<Run> members;
    for (const Run* run : group.runs) members.push_back(*run);
    Chart own;
    add_curves(members, series, own);
    const Spread reached = group.spread([&level](const Run& run) { return epochs_to_reach(run, level.percent).value_or(kUnknown); });
    for (Curve& curve : own.curves) {
      curve.label = group.label;
      curve.dots.clear();
      if (group.runs.front()->encoding == "absolute") {
        curve.remark = format_number(curve.points.back().y, 1);
      } else if (reached.count == group.runs.size()) {
        curve.drop = reached.mean;
        curve.remark =
            number_text(reached.mean) + (reached.mean == 1 ? " epoch, " : " epochs, ") + format_number(level.epochs / reached.mean, 1) + " x";
      } else {
        curve.remark = "not reached" +
                       (reached.count ? " by " + std::to_string(group.runs.size() - reached.count) + " of " + std::to_string(group.runs.size()) : "");
      }
      add_curve(curve, colors.at(group.runs.front()->method), chart);
    }
  }
  chart.y_marker = std::pair(level.percent, "absolute at the end, " + format_number(level.percent, 1) + " %");
  chart.subtitle = subtitle({dataset_text(compared), "thin lines: the first evaluation that reaches it", band_text(chart)});
  chart.caption = level.runs == 1 ? "The level is of one seed." : "The level is the mean of " + std::to_string(level.runs) + " seeds.";
  return chart;
}

std::vector<Chart> all_charts(const std::vector<Run>& runs) {
  return {learning_curves(runs),      accuracy_over_size(runs),       accuracy_over_block_size(runs), accuracy_over_data(runs),
          accuracy_over_epochs(runs), epochs_to_reach_absolute(runs), orthogonality_curves(runs),
          gradient_norm_curves(runs)};
}

}  // namespace liere::report
