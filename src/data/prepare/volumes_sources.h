// What the options of liere-data prepare rsna | volumes name: the settings, the files, the labels.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "data/prepare/volume_journal.h"
#include "data/prepare/volume_source.h"
#include "data/prepare/volumes.h"
#include "data/volumes/labels.h"
#include "data/volumes/volume_cache.h"

namespace liere {

/// Of --size and --spacing. Throws ConfigError.
VolumeCacheSettings cache_settings(const PrepareVolumesOptions& options);
/// Throws ConfigError for shares, folds and workers that mean nothing.
void check_shares(const PrepareVolumesOptions& options);
/// PrepareSettings::split.
std::string split_text(const PrepareVolumesOptions& options);
/// Throws DataError when it cannot be made.
void make_root(const std::filesystem::path& root);

/// The DICOM files and labels of a set. Throws DataError: nothing there, no labels where they are needed, labels that are damaged.
struct VolumeSetSource {
  explicit VolumeSetSource(const PrepareVolumesOptions& options);

  VolumeSource source;
  std::string name, labels_text;  // the manifest's; PrepareSettings::labels
  std::optional<LabelTable> labels;
  std::vector<CountedFinding> findings;  // files that are left out at once
};

/// Prints the path of the file whose neutral name ends with `hash`. Throws DataError when there is none.
void show_file(const VolumeSource& source, const Salt& salt, const std::string& hash);

}  // namespace liere
