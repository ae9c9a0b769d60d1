// What a sweep tells: states, choices, what is left to do.
#include <algorithm>
#include <cmath>

#include "core/check.h"
#include "core/log.h"
#include "core/si_prefix.h"
#include "sweep/sweep.h"

namespace liere::sweep {
namespace {

std::string percent(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.2f", value);
  return std::isnan(value) ? "" : text;
}

}  // namespace

std::string aligned(const std::vector<std::vector<std::string>>& rows) {
  std::vector<size_t> widths;
  for (const auto& row : rows)
    for (size_t i = 0; i < row.size(); ++i) {
      if (widths.size() <= i) widths.push_back(0);
      widths[i] = std::max(widths[i], row[i].size());
    }
  std::string text;
  for (const auto& row : rows) {
    std::string line = " ";
    for (size_t i = 0; i < row.size(); ++i) line += " " + row[i] + std::string(widths[i] - row[i].size() + 1, ' ');
    text += line.substr(0, line.find_last_not_of(' ') + 1) + "\n";
  }
  return text;
}

std::string Sweep::status() const {
  std::vector<std::vector<std::string>> rows = {{"run", "state", "step", "top-1 %", "time", ""}};
  double seconds = 0;
  int64_t done = 0, left = 0;
  for (const auto& point : points()) {
    const auto state = state_of(point);
    const bool open = !is_chosen(point);
    rows.push_back({point.name, open ? "waits for tuning" : name_of(state.state), state.steps > 0 ? format_count(state.step) + "/" + format_count(state.steps) : "",
                    point.tuning_of.empty() ? percent(state.top1) : percent(state.holdout) + (std::isnan(state.holdout) ? "" : " (holdout)"), state.seconds > 0 ? format_duration(state.seconds) : "", state.error});
    if (!open && state.state == State::kDone) {
      ++done;
      seconds += state.seconds;
    } else {
      ++left;
    }
  }
  std::string text = aligned(rows);
  for (const auto& choice : choices()) {
    text += "  " + file_.tune->per + " " + choice.of + ": " + std::to_string(choice.done) + " of " + std::to_string(choice.runs) + " tuning runs, " + format_count(choice.steps) + " steps";
    if (!choice.value.empty()) text += "; " + file_.tune->key + "=" + choice.value + " (holdout " + percent(choice.holdout) + " %)";
    if (choice.value.empty() && choice.done == choice.runs) text += "; all of them diverged, nothing is chosen: other values, or run --retry";
    else if (choice.diverged > 0) text += ", " + std::to_string(choice.diverged) + " diverged";
    for (const auto& tied : choice.tied) text += ", as good as " + tied;
    text += "\n";
  }
  text += "  " + std::to_string(done) + " done, " + std::to_string(left) + " left";
  if (done > 0 && left > 0) text += ", about " + format_duration(seconds / static_cast<double>(done) * static_cast<double>(left) / static_cast<double>(options_.jobs)) + " at the mean of those that are done";
  return text + "\n";
}

std::string Sweep::plan() const {
  double disk = 0, flop = 0;
  int64_t runs = 0, steps = 0, done = 0;
  for (const auto& point : points()) {
    if (is_chosen(point) && !is_to_train(point)) {
      ++done;
      continue;
    }
    const auto& cost = costs_.at(point.folder);
    ++runs;
    steps += cost.steps;
    disk += cost.disk_bytes;
    flop += cost.training_flop;
  }
  return "  runs           " + format_count(runs) + " to train, " + format_count(done) + " trained\n  steps          " + format_count(steps) + "\n  training FLOP  " + with_si_prefix(flop) +
         "FLOP\n  disk           up to " + format_bytes(disk) + " in " + file_.output + "\n  Time on GPUs: liere-train plan --config " + (file_.config.empty() ? "NAME" : file_.config) + "\n";
}

std::string Sweep::slurm_list() const {
  std::string text = "# " + file_.name + ": a line holds the arguments of one run. Submit: scripts/slurm/submit.sh" +
                     (file_.evaluate.empty() ? "" : [&] {
                       std::string tests;
                       for (const auto& test : file_.evaluate) tests += (tests.empty() ? " --test " : ",") + test;
                       return tests;
                     }()) +
                     " sweep THIS_FILE\n";
  std::vector<Point> open;
  for (const auto& point : points())
    if (is_to_train(point)) open.push_back(point);
  if (open.empty()) return "";
  // While values are still to be chosen the list holds the runs that choose.
  const bool tuning = std::any_of(open.begin(), open.end(), [](const auto& point) { return !point.tuning_of.empty(); });
  for (const auto& point : open) {
    if (tuning && point.tuning_of.empty()) continue;
    std::string line = "--config " + point.config;
    for (const auto& override : point.overrides) {
      if (override.find_first_of(" \t\n") != std::string::npos) throw ConfigError("the point " + point.name + " has the override '" + override + "', and lists of runs are split at blanks. Write it without.");
      line += " " + override;
    }
    text += line + "\n";
  }
  return text;
}

}  // namespace liere::sweep
