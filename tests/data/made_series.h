// A small set of CT series as DICOM files: patients with one series each, two classes that differ in a bright block, and files that are no slice of
// any.
#pragma once

#include <filesystem>
#include <map>
#include <string>

#include "made_dicom.h"

namespace liere::test {

struct MadeSeries {
  int patient = 0, slices = 6;
  bool positive = false;
};

inline std::string made_patient(int number) { return "Secret^Patient" + std::to_string(number); }
inline std::string made_study(int number) { return "9.8.7." + std::to_string(1000 + number); }
inline std::string made_series_uid(int number) { return "9.8.6." + std::to_string(1000 + number); }
inline std::string made_image(int number, int slice) { return "ID_" + std::to_string(100000 + number * 100 + slice); }

/// One slice of `series`, 16 x 16 pixels.
inline std::string made_series_slice(const MadeSeries& series, int slice, const ChangeDicom& change = {}) {
  const auto as_series = [&](DcmDataset& set) {
    set_text(set, DCM_PatientID, made_patient(series.patient));
    set_text(set, DCM_PatientName, made_patient(series.patient));
    set_text(set, DCM_StudyInstanceUID, made_study(series.patient));
    set_text(set, DCM_SeriesInstanceUID, made_series_uid(series.patient));
    set_text(set, DCM_SOPInstanceUID, made_image(series.patient, slice));
    std::vector<Uint16> pixels(256);
    for (size_t i = 0; i < pixels.size(); ++i) pixels[i] = static_cast<Uint16>(1000 + series.patient % 7 * 3 + static_cast<int>(i + static_cast<size_t>(slice + series.patient)) % 50);
    if (series.positive && slice % 2)
      for (size_t i = 100; i < 110; ++i) pixels[i] = 1100;
    set.putAndInsertUint16Array(DCM_PixelData, pixels.data(), pixels.size());
    if (change) change(set);
  };
  return made_slice(slice, as_series, EXS_LittleEndianExplicit, 16, 16);
}

using MadeFiles = std::map<std::string, std::string>;  // path -> bytes

/// `patients` series with six slices each; every second patient is positive. Paths tell who it is, as exports do.
inline MadeFiles made_set(int patients, const std::string& folder) {
  MadeFiles files;
  for (int p = 0; p < patients; ++p) {
    const MadeSeries series{p, 6, p % 2 == 1};
    for (int s = 0; s < series.slices; ++s) files[folder + made_image(p, s) + ".dcm"] = made_series_slice(series, s);
  }
  return files;
}

/// stage_2_train.csv of made_set: the slices with an odd number of positive series are positive, as subdural.
inline std::string made_rsna_table(int patients) {
  std::string text = "ID,Label\n";
  for (int p = 0; p < patients; ++p)
    for (int s = 0; s < 6; ++s) {
      const char* bit = p % 2 == 1 && s % 2 == 1 ? ",1\n" : ",0\n";
      for (const char* kind : {"epidural", "intraparenchymal", "intraventricular", "subarachnoid"}) text += made_image(p, s) + "_" + kind + ",0\n";
      text += made_image(p, s) + "_subdural" + bit + made_image(p, s) + "_any" + bit;
    }
  return text;
}

inline void write_set(const std::filesystem::path& root, const MadeFiles& files) {
  for (const auto& [path, bytes] : files) {
    std::filesystem::create_directories((root / path).parent_path());
    write_file_atomically(root / path, bytes);
  }
}

}  // namespace liere::test
