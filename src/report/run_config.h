// What a report reads of a run's config.yaml: the cells of the paper's tables that it reproduces, and the keys that sweeps vary.
// `reproduces` is a list with one entry per cell:
//   - {table: A, row: LieRE_8, column: CIFAR-100, paper: v5, top1: 70.3, interval: [69.4, 71.2], loss: 1.36}
//   - {table: C, row: LieRE_8, column: "168", paper: v5, test: resolution, size: 168, top1: 99.7}
// docs/reports.md lists the keys and the tables' letters.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "core/config.h"

namespace liere::report {

/// A cell of another table that a small model stands for.
struct CellName {
  std::string table, row, column;
};

struct PaperEntry {
  std::string table, row, column;
  std::string paper;              // version of arXiv 2406.10322, "v1" or "v5"; empty: not in the paper, see note
  std::string test = "accuracy";  // the evaluation that gives the figures
  std::optional<int64_t> size;    // of the test resolution, in pixels
  std::string positions, reading;
  std::optional<double> top1, loss, relative_drop, epochs_factor;  // percent, but for the loss and the factor
  std::vector<double> interval;                                    // of top1: empty, or its two ends
  std::string note;
  std::optional<CellName> small_model_of;
  std::vector<std::string> deviations;
};

struct RunConfig {
  std::vector<PaperEntry> reproduces;
  std::vector<std::string> left_out;  // entries that could not be read, each with its reason
  std::optional<int64_t> block_size;
  std::optional<double> data_fraction;
  // What summary.json says too, for a run that has none yet:
  std::string encoding, label, dataset;  // "liere", "LieRE_8", "cifar100"; empty where unknown
  std::optional<int64_t> seed;
};

/// An empty one where the file is missing (older runs). Throws DataError where it is no YAML; an entry that is wrong is left out and said.
RunConfig read_run_config(const std::filesystem::path& path);

/// "Main results"; nullopt for a letter that is not A to M.
std::optional<std::string> table_name(const std::string& letter);

}  // namespace liere::report
