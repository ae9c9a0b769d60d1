// Which slices make the volume, in which order, how far apart: our definitions, written out in docs/data.md. The result does not depend on the order
// of the files.
#pragma once

#include <string>
#include <vector>

#include "data/dicom/slice.h"

namespace liere {

struct SeriesFile {
  std::string name;
  DicomSlice slice;
  std::string bytes;  // stored values from pixel_offset on
  size_t pixel_offset = 0;
};

/// Drops and sorts `files` along the normal, and fills all of `volume` but hu. Throws DataError that begins with a code.
void assemble_series(std::vector<SeriesFile>& files, int64_t min_slices, CtVolume& volume);

}  // namespace liere
