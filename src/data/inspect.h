// What a person wants to know of a data set before training on it: how many samples each class has, the mean and deviation of the pixels, and whether
// it is the published one.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "data/config.h"
#include "data/dataset.h"

namespace liere {

struct DatasetStatistics {
  std::string description;  // Dataset::describe()
  int64_t size = 0;
  std::vector<std::string> class_names;
  std::vector<int64_t> class_counts;  // over all samples
  int64_t pixel_samples = 0;          // samples whose pixels were read, from the first on
  std::vector<double> mean, std;      // per channel, of p / 255; population deviation
};

/// Labels of all samples; pixels of the first `pixel_samples` (0: none), which must be 8-bit with one number of channels (DataError otherwise). Sums
/// are exact.
DatasetStatistics compute_statistics(const Dataset& dataset, int64_t pixel_samples);

/// Indented text for the terminal, and the same figures as JSON.
std::string to_text(const DatasetStatistics& statistics);
nlohmann::ordered_json to_json(const DatasetStatistics& statistics);

struct InspectOptions {
  int64_t pixel_samples = 0;  // per split
  bool verify = false;        // compare with the published data, too
  std::string json;           // also write the figures to this file
};

/// Prints the statistics of both splits. With `verify` it lists what differs from the published data, and throws DataError at the end if anything
/// does.
void inspect(const DatasetConfig& config, const InspectOptions& options);

}  // namespace liere
