// What a report reads of a run's config.yaml: the cells of the paper's tables that it reproduces (core/reproduces.h), and the keys that sweeps vary.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "core/reproduces.h"

namespace liere::report {

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

}  // namespace liere::report
