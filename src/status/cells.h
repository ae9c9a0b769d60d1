// Every cell of the paper's tables that a configuration or a sweep stands for, with the training that gives it: from the `reproduces` entries of
// configs/*.yaml and configs/sweeps/*.yaml.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "core/reproduces.h"

namespace liere::status {

/// A training as on liere-train's command line, but for seed and output.
struct Training {
  std::string config;
  std::vector<std::string> overrides;
  std::string text() const;  // "cifar100_liere_8.yaml data.fraction=0.2"
};

struct Cell {
  PaperEntry entry;
  Training training;
};

/// By table; in the order of file names, then of the entries. Of the same cell in several places the first, configurations before sweeps. Throws
/// ConfigError.
std::vector<Cell> read_cells(const std::filesystem::path& configs);

/// The same table, row, column, version of the paper and test.
bool is_same_cell(const PaperEntry& a, const PaperEntry& b);
/// The same evaluation of a training.
bool is_same_test(const PaperEntry& a, const PaperEntry& b);

/// The order of rows and columns in a table: the encodings as the paper lists them, other names by the numbers in them.
std::vector<std::string> ordered_rows(std::vector<std::string> rows);

}  // namespace liere::status
