// docs/results/results.yaml (what has been measured of the paper's cells) and docs/results/costs.yaml (what each training takes, counted by
// liere::train and written by its test; scripts/status.sh renews it).
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "core/reproduces.h"

namespace liere::status {

/// What one or several runs of a cell's training gave.
struct Result {
  CellName cell;
  std::string paper = "v5", test = "accuracy";
  std::optional<int64_t> size;
  std::optional<double> top1, loss, relative_drop, epochs_factor;  // as in `reproduces`: percent, but for the loss and the factor
  std::vector<double> interval, drop_interval, loss_interval;      // 95 %: empty, or two ends
  std::vector<double> epochs_interval;                             // the factor by the evaluation that reached the level and by the one before
  int64_t seeds = 1;
  std::string device, date, commit;  // commit: the one that wrote the figures down
  std::string source;                // a link, relative to docs/
  std::string note;
  std::string small_model;  // not the paper's training but this one, which says little of the cell
};

/// A line of a table that is no cell of a configuration: statistics, pictures, further checks.
struct Check {
  std::string table, cell, paper, ours, state;
};

struct Results {
  std::vector<Result> results;
  std::vector<Check> checks;
};

/// Throws ConfigError with file, line and column: an unknown key, a missing date, device, commit or source, an interval that does not hold its
/// figure.
Results read_results(const std::filesystem::path& path);

struct Cost {
  std::vector<std::string> runs;  // Training::text() of those that are the same training
  double training_flop = 0, evaluation_flop = 0;
  std::vector<int64_t> micro_batch;  // that is estimated to fit into 24, 40 and 80 GB
};

/// Throws ConfigError.
std::vector<Cost> read_costs(const std::filesystem::path& path);
std::string costs_text(const std::vector<Cost>& costs);

}  // namespace liere::status
