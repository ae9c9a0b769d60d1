// Labels of CT volumes from CSV files: the RSNA 2019 table of images and a plain table of studies, series or patients.
#pragma once

#include <cstdint>
#include <filesystem>
#include <istream>
#include <string>
#include <unordered_map>
#include <vector>

#include "data/volumes/ct_volume.h"

namespace liere {

enum class LabelKey { kImage, kSeries, kStudy, kPatient };  // SOPInstanceUID, SeriesInstanceUID, StudyInstanceUID, PatientID

struct LabelTable {
  LabelKey key = LabelKey::kImage;
  std::vector<std::string> names;                              // the first is the one that a study is called by ("any")
  std::unordered_map<std::string, std::vector<float>> values;  // key -> 0 or 1 for each name
  int64_t merged = 0;                                          // rows that repeated another one with equal labels
};

/// stage_2_train.csv of RSNA 2019: `ID,Label`, six rows for each image. Names: any, then the five kinds in alphabetical order. `name` is for
/// messages. Throws DataError with the line's number: header, label, a row that contradicts another, an image without exactly six rows, any that is
/// not the OR of the five, a line over 64 KiB.
LabelTable read_rsna_labels(std::istream& in, const std::string& name);

/// `study,LABEL...` (or `series,...`, `patient,...`): one row each, every label 0 or 1. Throws DataError with the line's number.
LabelTable read_volume_labels(std::istream& in, const std::string& name);

/// The labels of a volume: for each name the OR over its slices (kImage), else of its series, study or patient. Empty when nothing of it is in the
/// table; throws DataError when some of its slices are and others are not (no identifier of a patient in the sentence).
std::vector<float> labels_of(const LabelTable& table, const CtVolume& volume);

}  // namespace liere
