// What a folder of DICOM files holds, for a person: its series, what is odd about each, and a contact sheet to look at. Nothing is changed and no identifier of a
// patient is shown: series are numbered, files are named by their path in the folder.
#pragma once

#include <string>

namespace liere {

struct LookOptions {
  std::string from;    // folder, searched with its subfolders
  std::string output;  // folder for series-1.png, series-2.png, ...; empty: none are drawn
  std::string json;    // also write the figures to this file
  double level = 40, width = 80;  // window of the pictures, HU
};

/// Prints a few lines for each series and the files that are left out, by code. Throws DataError when there is no series that can be used; ConfigError in a build without
/// DICOM; Error(kStoppedEarly) after a stop signal.
void look_at_series(const LookOptions& options);

}  // namespace liere
