#include "report/paper.h"

#include <algorithm>
#include <cctype>
#include <cmath>
#include <map>
#include <set>
#include <tuple>

#include "report/sizes.h"
#include "report/statistics.h"

namespace liere::report {
namespace {

struct Source {
  std::function<double(const Run&)> figure;
  std::function<std::optional<Interval>(const Run&)> own;
};

const ShuffleTest* shuffle_of(const Run& run, const std::string& test) {
  const auto& found = test == "shuffle" ? run.shuffle_test : run.shuffle_frames_test;
  return found ? &*found : nullptr;
}

/// In the entry's manner, else in the one to compare runs by.
const ResolutionResult* result_of(const Run& run, const PaperEntry& entry) {
  for (const Size& size : evaluated_sizes({run})) {
    const bool asked = size.back() == *entry.size && (size.size() < 2 || size[size.size() - 2] == *entry.size);
    if (!asked) continue;
    for (const Manner& manner : manners(run))
      if ((entry.positions.empty() || manner.positions == entry.positions || manner.positions == "none") &&
          (entry.reading.empty() || manner.reading == entry.reading))
        if (const ResolutionResult* result = find_result(run, size, manner)) return result;
  }
  return nullptr;
}

/// Where the entry's test keeps the accuracy.
const Accuracy* accuracy_of(const Run& run, const PaperEntry& entry) {
  if (entry.test == "accuracy") return &run.accuracy();
  if (entry.test == "resolution") {
    const ResolutionResult* result = result_of(run, entry);
    return result ? &result->accuracy : nullptr;
  }
  const ShuffleTest* shuffle = entry.test == "shuffle" || entry.test == "shuffle-frames" ? shuffle_of(run, entry.test) : nullptr;
  return shuffle ? &shuffle->after : nullptr;
}

double factor(const Run& run, const std::vector<Run>& runs) {
  const AbsoluteLevel level = absolute_level(run, runs);
  const auto epochs = std::isnan(level.percent) ? std::nullopt : epochs_to_reach(run, level.percent);
  return epochs && *epochs > 0 ? level.epochs / *epochs : kUnknown;
}

/// From the first evaluation that reaches the level to the one before, which does not; unknown where it is the first of all.
std::optional<Interval> factor_interval(const Run& run, const std::vector<Run>& runs) {
  const AbsoluteLevel level = absolute_level(run, runs);
  const auto reached = std::isnan(level.percent) ? std::nullopt : samples_to_reach(run.evals, level.percent);
  int64_t before = 0;
  for (const EvalEvent& eval : run.evals)
    if (reached && eval.samples < *reached) before = std::max(before, eval.samples);
  if (before == 0) return std::nullopt;
  return Interval{factor(run, runs), level.epochs / (static_cast<double>(before) * epochs_per_sample(run))};
}

Source source_of(const PaperEntry& entry, Figure figure, const std::vector<Run>& runs) {
  const auto nothing = [](const Run&) { return std::optional<Interval>(); };
  switch (figure) {
    case Figure::kTop1:
      if (entry.test == "best") return {[](const Run& run) { return run.best.top1; }, nothing};
      return {[entry](const Run& run) {
                const Accuracy* a = accuracy_of(run, entry);
                return a ? a->top1 : kUnknown;
              },
              [entry](const Run& run) { return accuracy_interval(*accuracy_of(run, entry)); }};
    case Figure::kLoss:
      return {[entry](const Run& run) {
                const Accuracy* a = accuracy_of(run, entry);
                return a ? a->loss : kUnknown;
              },
              [entry](const Run& run) { return accuracy_of(run, entry)->loss_interval; }};
    case Figure::kRelativeDrop:
      return {[entry](const Run& run) {
                const ShuffleTest* test = shuffle_of(run, entry.test);
                return test ? test->relative_drop : kUnknown;
              },
              [entry](const Run& run) { return shuffle_of(run, entry.test)->drop_interval; }};
    case Figure::kEpochsFactor:
      break;
  }
  return {[&runs](const Run& run) { return factor(run, runs); }, [&runs](const Run& run) { return factor_interval(run, runs); }};
}

std::vector<std::pair<Figure, double>> figures_of(const PaperEntry& entry) {
  std::vector<std::pair<Figure, double>> figures;
  if (entry.top1) figures.push_back({Figure::kTop1, *entry.top1});
  if (entry.relative_drop) figures.push_back({Figure::kRelativeDrop, *entry.relative_drop});
  if (entry.epochs_factor) figures.push_back({Figure::kEpochsFactor, *entry.epochs_factor});
  if (entry.loss) figures.push_back({Figure::kLoss, *entry.loss});
  if (figures.empty()) figures.push_back({entry.test == "epochs-to-reach" ? Figure::kEpochsFactor : Figure::kTop1, kUnknown});
  return figures;
}

/// What eval command is missing, or why else there is no figure.
std::string missing(const PaperCell& cell) {
  const Run& run = *cell.group.runs.front();
  const std::string& test = cell.entry.test;
  if (run.state != "done") return run.label + (run.diverged ? ": diverged." : run.state == "stopped" ? ": stopped early." : ": not finished.");
  if (cell.figure == Figure::kEpochsFactor)
    return cell.group.label + ": no finished run of the absolute encoding with as many epochs is among the runs, or its accuracy was not reached.";
  if (test == "accuracy" || test == "shuffle" || test == "shuffle-frames" || test == "resolution")
    return cell.group.label + ": make it with liere-eval --checkpoint " + shell_word(run.shown_folder) + " --test " + test +
           (test == "resolution" ? " eval.sizes=[" + std::to_string(*cell.entry.size) + "]" : "") + ".";
  return cell.group.label + ": the test '" + test + "' is none that a report reads.";
}

int decimals(Figure figure) { return figure == Figure::kLoss ? 2 : 1; }

void fill(PaperCell& cell, double paper, const std::vector<Run>& runs, const Estimates& estimates) {
  const PaperEntry& entry = cell.entry;
  const bool is_share = cell.figure == Figure::kTop1;
  cell.paper = paper;
  if (cell.figure == Figure::kTop1 && !entry.interval.empty()) cell.paper_interval = Interval{entry.interval[0], entry.interval[1]};
  if (cell.group.runs.front()->state == "done") {
    const Source source = source_of(entry, cell.figure, runs);
    cell.ours = cell.figure == Figure::kTop1 && entry.test == "accuracy" ? estimates.top1(cell.group)
                                                                         : Estimates::of(cell.group, source.figure, source.own, is_share);
    if (cell.figure == Figure::kEpochsFactor && cell.ours.interval) {
      cell.ours.interval->low = std::max(0.0, cell.ours.interval->low);
      if (cell.ours.seeds == 1) cell.ours.over = "evaluations";
    }
  }
  cell.verdict = verdict(cell.ours, paper, cell.paper_interval, decimals(cell.figure));
  if (std::isnan(cell.ours.mean)) cell.remarks.push_back(missing(cell));
  for (const std::string& deviation : entry.deviations) cell.remarks.push_back(deviation);
  if (!entry.note.empty()) cell.remarks.push_back(entry.note);
  if (entry.small_model_of)
    cell.remarks.push_back("A small model in place of table " + entry.small_model_of->table + ", " + entry.small_model_of->row + ", " +
                           entry.small_model_of->column + ": the paper's figure is for scale, no target.");
}

/// The paper's order of the encodings, then numbers by size, then the alphabet.
auto row_key(const std::string& row) {
  static const std::vector<std::string> order = {"none", "absolute", "RoPE", "VisionLLaMA", "RoPE-Mixed", "LieRE_8", "LieRE_64"};
  const auto found = std::find(order.begin(), order.end(), row);
  const size_t digit = row.find_first_of("0123456789");
  return std::tuple(found - order.begin(), digit == std::string::npos ? 0.0 : std::strtod(row.c_str() + digit, nullptr), row);
}

bool same_cell(const PaperEntry& a, const PaperEntry& b) {
  return std::tie(a.table, a.row, a.column, a.paper, a.test, a.size, a.positions, a.reading) ==
         std::tie(b.table, b.row, b.column, b.paper, b.test, b.size, b.positions, b.reading);
}

}  // namespace

std::string verdict(const Estimate& ours, double paper, const std::optional<Interval>& paper_interval, int places) {
  if (std::isnan(paper) && !paper_interval) return std::isnan(ours.mean) ? "not measured" : "not in the paper";
  if (std::isnan(ours.mean)) return "not measured";
  if (paper_interval) {
    if (ours.mean >= paper_interval->low && ours.mean <= paper_interval->high) return "within the paper's interval";
    if (ours.interval && ours.interval->low <= paper_interval->high && paper_interval->low <= ours.interval->high) return "intervals overlap";
    return ours.mean > paper_interval->high ? "above" : "below";
  }
  if (ours.interval && ours.interval->low <= paper && paper <= ours.interval->high) return "within our interval";
  if (!ours.interval && format_number(ours.mean, places) == format_number(paper, places)) return "equal";
  return ours.mean > paper ? "above" : "below";
}

const char* figure_key(Figure figure) {
  switch (figure) {
    case Figure::kTop1:
      return "top1";
    case Figure::kLoss:
      return "loss";
    case Figure::kRelativeDrop:
      return "relative_drop";
    case Figure::kEpochsFactor:
      return "epochs_factor";
  }
  return "";
}

std::vector<PaperCell> paper_cells(const std::vector<Run>& runs, const Estimates& estimates) {
  std::vector<PaperCell> cells;
  for (const Group& group : group_by_seed(runs)) {
    std::vector<PaperEntry> entries;  // of any run of the group: seeds share their configuration
    for (const Run* run : group.runs)
      for (const PaperEntry& entry : run->config.reproduces)
        if (std::none_of(entries.begin(), entries.end(), [&entry](const PaperEntry& other) { return same_cell(entry, other); }))
          entries.push_back(entry);
    for (const PaperEntry& entry : entries)
      for (const auto& [figure, paper] : figures_of(entry)) {
        cells.push_back({.entry = entry, .figure = figure, .group = group, .ours = {}, .paper_interval = {}, .verdict = "", .remarks = {}});
        fill(cells.back(), paper, runs, estimates);
      }
  }
  const auto key = [](const PaperCell& cell) {
    return std::tuple(cell.entry.table, cell.entry.test, row_key(cell.entry.column), cell.entry.paper, row_key(cell.entry.row), cell.figure);
  };
  std::stable_sort(cells.begin(), cells.end(), [&key](const PaperCell& a, const PaperCell& b) { return key(a) < key(b); });
  return cells;
}

double epochs_per_sample(const Run& run) {
  if (run.epochs.value_or(0) > 0 && run.samples_seen.value_or(0) > 0 && run.state == "done")
    return static_cast<double>(*run.epochs) / static_cast<double>(*run.samples_seen);
  for (auto eval = run.evals.rbegin(); eval != run.evals.rend(); ++eval)
    if (eval->epoch > 0 && eval->samples > 0) return static_cast<double>(eval->epoch) / static_cast<double>(eval->samples);
  return kUnknown;
}

std::optional<double> epochs_to_reach(const Run& run, double percent) {
  const auto samples = samples_to_reach(run.evals, percent);
  const double epochs = samples ? static_cast<double>(*samples) * epochs_per_sample(run) : kUnknown;
  return std::isnan(epochs) ? std::nullopt : std::optional(epochs);
}

AbsoluteLevel absolute_level(const Run& run, const std::vector<Run>& runs) {
  std::vector<double> levels;
  for (const Run& other : runs) {
    const bool same_training = other.dataset == run.dataset && other.epochs == run.epochs && other.samples_seen == run.samples_seen;
    // Where a holdout is evaluated in training, its curve cannot be held against a test figure.
    const bool one_split = run.evals.empty() || run.evals.front().split == other.final_split;
    if (other.encoding == "absolute" && one_split && other.state == "done" && same_training && std::isfinite(other.final_accuracy.top1))
      levels.push_back(other.final_accuracy.top1);
  }
  if (levels.empty()) return {};
  return {spread_of(levels).mean, static_cast<double>(run.epochs.value_or(0)), levels.size()};
}

}  // namespace liere::report
