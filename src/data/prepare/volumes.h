// liere-data prepare rsna | volumes: from DICOM files, in a folder or a zip that is read in place, to a root that experiments read: one cached volume
// for each CT series, manifest.json with labels and a split by patients, findings.json, and contact sheets to look at. Identifiers of patients are
// written nowhere: series, patients and files are named by salted hashes.
#pragma once

#include <cstdint>
#include <string>

namespace liere {

struct PrepareVolumesOptions {
  bool rsna = false;   // RSNA 2019: stage_2_train/ and stage_2_train.csv are looked for in `from`
  std::string from;    // folder with its subfolders, or zip
  std::string labels;  // CSV by study, series or patient (not rsna); empty: no labels, every volume in the test part
  std::string root;
  std::string size = "32,224,224";  // of the cached volumes: slices, rows, columns
  std::string spacing = "grid";     // or iso:MILLIMETRES
  double validation = 0.15, test = 0.15;
  int64_t folds = 1;
  uint64_t seed = 0;
  std::string salt_file;  // empty: ROOT/salt, made when it is not there
  int64_t workers = 0;    // 0: the processors that this process may use
  std::string show_file;  // a hash of findings.json: the path of that file is printed, and nothing else is done
};

/// Prints what it did. Series that an earlier call finished are not read again. Throws ConfigError: options, a root with other settings, a build
/// without DICOM; DataError: files, labels, no series that can be used, a disk that is too small; Error(kStoppedEarly) after a stop signal.
void prepare_volumes(const PrepareVolumesOptions& options);

}  // namespace liere
