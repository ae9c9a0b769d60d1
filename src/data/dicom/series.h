// From DICOM files to CT volumes (component LIERE_DICOM, DCMTK): slices are grouped by series, localisers dropped, the rest sorted by their position along the normal and
// converted to Hounsfield units. Native little-endian files are read in this process, compressed ones in a child process with limits of memory and time.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "data/volumes/ct_volume.h"

namespace liere {

/// Whether this build reads DICOM.
bool dicom_supported();

/// A file to be read: `read` returns its bytes (of a folder or a zip), `name` is for messages. Where `read_head` is given, it returns the first of its `size` bytes, at
/// most so many as asked for, and a header is read of these alone.
struct DicomEntry {
  std::string name;
  std::function<std::string()> read;
  std::function<std::string(size_t)> read_head = {};
  uint64_t size = 0;
};

/// What a header tells without its pixels.
struct DicomHeader {
  std::string patient, study, series, instance;  // PatientID, StudyInstanceUID, SeriesInstanceUID, SOPInstanceUID: any text, not validated as UIDs
  int64_t rows = 0, columns = 0;
  std::string transfer_syntax;
};

/// Reads a header. Returns false with a finding where the file is rejected; what is wrong with its pixels is found with them. Thread-safe.
bool read_dicom_header(const DicomEntry& entry, DicomHeader& header, VolumeFinding& finding);

struct SeriesOptions {
  int64_t min_slices = 5;
  double decode_seconds = 10;           // of the child process, for one file
  int64_t decode_bytes = 1ll << 30;     // its memory
};

/// All files of one series -> the volume. Files that are rejected are findings and left out; throws DataError, whose sentence begins with the code, when the series as a
/// whole cannot be used (too few slices, mixed sizes or orientations). Thread-safe.
CtVolume read_series(const std::vector<DicomEntry>& files, const SeriesOptions& options = {});

}  // namespace liere
