// Ours beside the paper's: from the `reproduces` entries of the runs' configurations, one line per figure of a cell, one table per letter of the
// paper's tables. Verdicts, of our mean m with interval I, the paper's value v with interval J:
//   within the paper's interval  J is known and holds m
//   within our interval          J is unknown, I holds v (of epochs of one seed, I is what lies between two evaluations)
//   intervals overlap            J does not hold m, I and J have a point in common
//   above, below                 else; where neither interval is known any difference of what the paper prints counts ("equal" when there is none)
//   not measured                 no finished run of this cell has the figure
//   not in the paper             the entry states no figure
// A cell of one seed says so beside its verdict: its interval is over test samples alone.
#pragma once

#include <string>
#include <vector>

#include "report/estimates.h"
#include "report/table.h"

namespace liere::report {

enum class Figure { kTop1, kLoss, kRelativeDrop, kEpochsFactor };

/// "top1", "loss", "relative_drop", "epochs_factor": the key of the entry that gives the figure.
const char* figure_key(Figure figure);

struct PaperCell {
  PaperEntry entry;
  Figure figure = Figure::kTop1;
  Group group;  // whose runs name the cell
  Estimate ours;
  double paper = kUnknown;
  std::optional<Interval> paper_interval;
  std::string verdict;
  std::vector<std::string> remarks;  // footnotes: deviations, what is missing and how to make it
};

/// Of all runs, by table, column and row (encodings in the paper's order, other rows by their names, numbers in them by size). The runs must outlive
/// them.
std::vector<PaperCell> paper_cells(const std::vector<Run>& runs, const Estimates& estimates);

/// m, I, v, J as above; the decimals that the paper prints decide what is equal.
std::string verdict(const Estimate& ours, double paper, const std::optional<Interval>& paper_interval, int decimals);

/// One table per letter that occurs: row, column, figure, ours [interval], seeds, paper [interval], difference, verdict.
std::vector<Table> paper_tables(const std::vector<PaperCell>& cells);

/// Epochs of the first evaluation with at least `percent`; nullopt where there is none, or the epochs are unknown.
std::optional<double> epochs_to_reach(const Run& run, double percent);

/// Training epochs per training image seen; unknown before the first epoch's end.
double epochs_per_sample(const Run& run);

/// The finished runs of the absolute encoding on this run's dataset that went equally many epochs; their mean top-1 at the end of training (as the
/// training measured it) is the level that table G asks for. Unknown where there are none.
struct AbsoluteLevel {
  double percent = kUnknown, epochs = kUnknown;
  size_t runs = 0;
};
AbsoluteLevel absolute_level(const Run& run, const std::vector<Run>& runs);

}  // namespace liere::report
