// What liere-data prepare rsna | volumes tells: findings.json, contact sheets, a summary of one screen.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "data/prepare/volume_journal.h"

namespace liere {

/// Codes of findings beside those of kDicomCodes; docs/data.md has them too.
inline constexpr std::array kPrepareCodes = {"unlabelled_image",    "unlabelled",    "labels_partial",
                                             "test_without_labels", "labels_merged", "equal_volumes"};

struct PreparedVolumes {
  std::filesystem::path root;
  int64_t files = 0;                     // DICOM files and others that were looked at
  std::vector<PreparedSeries> series;    // sorted by id; those that are used have the manifest's entries' split and fold
  std::vector<CountedFinding> findings;  // beside those of the series: files that are left out, the set as a whole
  VolumeManifest manifest;
};

/// Volumes of several patients that are equal, value for value: one finding ("equal_volumes") with their count, nothing else is done about them.
std::vector<CountedFinding> find_equal_volumes(const std::vector<PreparedSeries>& series);

/// ROOT/findings.json: counts by code, then the findings; at most 1,000 of a code are listed.
void write_findings(const PreparedVolumes& prepared);

/// ROOT/sheets/ID.png of the first volumes as the model will get them.
void write_sheets(const PreparedVolumes& prepared);

void print_summary(const PreparedVolumes& prepared);

}  // namespace liere
