// The cells of the paper's tables that a configuration stands for, with the figures to expect: its `reproduces` list, one entry per cell.
//   - {table: A, row: LieRE_8, column: CIFAR-100, paper: v5, top1: 70.3, interval: [69.4, 71.2], loss: 1.36}
//   - {table: C, row: LieRE_8, column: "168", paper: v5, test: resolution, size: 168, reading: grid, top1: 99.7}
//   - {note: "not in the paper: a control"}
// Tables are lettered A to M (docs/reports.md lists them and the keys). Configurations, sweeps and reports read it here; it never takes part in what is computed.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/config.h"

namespace liere {

/// A cell of a table of the paper.
struct CellName {
  std::string table, row, column;
};

struct PaperEntry {
  std::string table, row, column;  // table empty: beside no table, `note` says what it is
  std::string paper;               // version of arXiv 2406.10322, "v1" or "v5" (ICML 2025); empty: not in the paper
  std::string test = "accuracy";   // the evaluation that gives the figures
  std::optional<int64_t> size;     // of the test resolution, in pixels
  std::string positions, reading;
  std::optional<double> top1, loss, relative_drop, epochs_factor;  // percent, but for the loss and the factor
  std::vector<double> interval;                                    // of top1, 95 %: empty, or its two ends
  std::string note;
  std::optional<CellName> small_model_of;  // the cell that a small model stands for; its figures are for scale
  std::vector<std::string> deviations;     // what differs from the paper here, a sentence each
};

/// One entry. Throws ConfigError with file, line and column.
PaperEntry read_paper_entry(const ConfigNode& node);

/// A whole list; empty for null. Throws ConfigError where it is no list or an entry is wrong.
std::vector<PaperEntry> read_reproduces(const ConfigNode& node);

/// "Main results"; nullopt for a letter that is not A to M.
std::optional<std::string> paper_table(const std::string& letter);

}  // namespace liere
