// What a prepared set of CT volumes is: one file, manifest.json in its root, beside the cached volumes. Patients and series are named by salted
// hashes alone.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "data/sample.h"

namespace liere {

enum class VolumeSplit { kTrain, kValidation, kTest };

struct VolumeEntry {
  std::string id, patient;  // 16 hexadecimal digits: keyed hashes of SeriesInstanceUID and PatientID
  VolumeSplit split = VolumeSplit::kTrain;
  int64_t fold = 0;                    // 0 .. folds - 1, of entries that are not in the test part
  std::vector<float> labels;           // 0 or 1 for each of label_names; empty: not known
  int64_t slices = 0;                  // before resampling
  std::array<double, 3> spacing_mm{};  // of the cached volume: slices, rows, columns
  std::string file;                    // of the cache, relative to the root
  std::string digest;                  // XXH3 of the cached values, 16 hexadecimal digits
};

struct VolumeManifest {
  std::string name;                      // "RSNA 2019", or of the folder
  std::vector<std::string> label_names;  // the first is the one that a study is called by ("any")
  FrameShape shape;                      // of every cached volume: slices, rows, columns, 1
  std::string settings;                  // everything that decides the cached values, as one line of JSON
  std::string settings_digest;           // XXH3 of `settings`
  int64_t folds = 1;
  uint64_t seed = 0;
  std::vector<VolumeEntry> entries;  // sorted by id
};

/// Throws DataError: not there, another version, a digest of its own that does not fit, a patient in two splits or folds, entries that do not fit the
/// header.
VolumeManifest read_volume_manifest(const std::filesystem::path& root);
/// Atomically.
void write_volume_manifest(const std::filesystem::path& root, const VolumeManifest& manifest);

}  // namespace liere
