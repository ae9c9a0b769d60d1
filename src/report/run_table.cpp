#include "report/run_table.h"

#include <cmath>

#include "core/log.h"
#include "report/html.h"
#include "report/palette.h"

namespace liere::report {
namespace {

std::string time_text(double seconds) {
  if (!std::isfinite(seconds)) return "-";
  const auto minutes = std::llround(seconds / 60);
  if (seconds < 100) return format_number(seconds, 0) + " s";
  return minutes < 120 ? std::to_string(minutes) + " min" : std::to_string(minutes / 60) + " h " + std::to_string(minutes % 60) + " min";
}

std::string state_text(const Run& run) { return run.diverged ? "diverged" : run.state; }

}  // namespace

Table run_table(const std::vector<Run>& runs) {
  Table table;
  table.title = "Runs";
  table.text_columns = 3;
  table.text_columns_at_end = 1;
  table.header = {{"run"}, {"folder"}, {"state"}, {"seed"}, {"epochs"}, {"steps"}, {"images seen"}, {"time"}, {"machine"}};
  const auto colors = method_colors(runs);
  const auto count = [](const std::optional<int64_t>& value) { return value ? format_count(*value) : "-"; };
  for (const Run& run : runs) {
    table.rows.push_back({run.label, run.shown_folder, state_text(run), run.seed ? std::to_string(*run.seed) : "-", count(run.epochs),
                          count(run.steps), count(run.samples_seen), time_text(run.seconds), run.device.empty() ? "-" : run.device});
    table.colors.push_back(colors.at(run.method));
  }
  return table;
}

void add_pictures(const std::vector<Run>& runs, const std::vector<Group>& groups, const Estimates& estimates, Table& table) {
  const auto colors = method_colors(runs);
  std::vector<std::vector<Whisker>> rows;
  std::vector<Whisker> all;
  std::string means;
  for (const Group& group : groups) {
    const int color = colors.at(group.runs.front()->method);
    const Estimate estimate = estimates.top1(group);
    Whisker mean{.value = estimate.mean, .color = page_color(color), .title = format_number(estimate.mean, 2)};
    if (estimate.interval) {
      mean.low = estimate.interval->low;
      mean.high = estimate.interval->high;
      mean.title += " [" + format_number(mean.low, 2) + ", " + format_number(mean.high, 2) + "], over " + estimate.over;
    }
    if (group.runs.size() > 1 && estimate.interval)
      means += (means.empty() ? "" : "; ") + group.label + " " + format_number(estimate.mean, 1) + " [" + format_number(mean.low, 1) + ", " +
               format_number(mean.high, 1) + "] over " + estimate.over + (estimate.over == "seeds" ? " (Student's t)" : "");
    if (group.runs.size() > 1)
      for (const Run* run : group.runs) mean.dots.push_back(run->accuracy().top1);
    rows.push_back({mean});
    all.push_back(mean);
    table.colors.push_back(color);
  }
  if (!means.empty()) table.notes.push_back("Means over seeds, 95 % interval: " + means + ".");
  const auto axis = axis_of(all);
  for (const auto& row : rows) table.pictures.push_back(whiskers_svg(row, axis));
  table.picture_title = "top-1, 95 % interval";
  table.picture_column = 2;
}

}  // namespace liere::report
