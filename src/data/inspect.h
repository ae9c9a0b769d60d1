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
  int64_t pixel_samples = 0;          // samples whose pixels were read
  std::vector<double> mean, std;      // per channel, of p / 255, of volumes in Hounsfield units; population deviation
  bool hounsfield = false;            // mean and std are
  int64_t unknown = 0;                // samples without a label
  std::vector<std::string> notes;     // Dataset::notes()
  std::string pixel_choice = "the first";  // which pixel_samples: "the first", or "evenly spread" over sets whose classes lie one after the other
  /// Least, median and most rows and columns of the pixel_samples; empty where all have one size.
  std::vector<int64_t> heights, widths;
  std::vector<int64_t> frames;  // the same of frames; empty for still pictures
};

/// Labels of all samples; pixels of `pixel_samples` of them (0: none): the first, or, of encoded pictures, evenly spread ones, decoded by all usable cores. They must be
/// 8-bit with one number of channels (DataError otherwise). Sums are exact.
DatasetStatistics compute_statistics(const Dataset& dataset, int64_t pixel_samples);

/// Indented text for the terminal, and the same figures as JSON.
std::string to_text(const DatasetStatistics& statistics);
nlohmann::ordered_json to_json(const DatasetStatistics& statistics);

struct InspectOptions {
  int64_t pixel_samples = 0;  // per split
  bool verify = false;        // compare with the published data, too
  std::string json;           // also write the figures to this file
};

/// Prints the statistics of all splits. With `verify` it lists what differs from the published data and which encoded pictures cannot be decoded (the first 20; all in
/// the JSON), and throws DataError at the end if anything does; Error(kStoppedEarly) after a stop signal.
void inspect(const DatasetConfig& config, const InspectOptions& options);

}  // namespace liere
