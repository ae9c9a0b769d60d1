// A CT series as a volume: Hounsfield units on a grid whose first axis runs along the slices' normal.
#pragma once

#include <array>
#include <string>
#include <vector>

#include "data/sample.h"

namespace liere {

/// Something about a file or a series that a person should know. Codes are fixed words ("truncated", "duplicate_position", "gap", ...): docs/data.md
/// lists them all.
struct VolumeFinding {
  std::string code;
  std::string where;      // a file, or the series; never a patient's identifier
  std::string sentence;   // what was expected, what was found, what was done
  bool rejected = false;  // the file (or the series) is left out; otherwise it is kept
};

struct CtVolume {
  Frames hu;                             // i16 [slices, rows, columns, 1], clipped to [-1024, 3071]
  std::array<double, 3> spacing_mm{};    // between slices (median), rows, columns
  std::vector<std::string> slice_names;  // SOPInstanceUID of each slice, in the volume's order
  std::array<double, 6> orientation{};   // ImageOrientationPatient: direction of a row, direction of a column
  std::string patient, study, series;    // identifiers as the files have them: salted and hashed before anything is written
  std::vector<VolumeFinding> findings;
};

}  // namespace liere
