// One CT slice: what its header says, checked, and its pixels as Hounsfield units: HU = slope x stored + intercept (PS3.3 C.11.1). Our definitions of
// what is accepted and of the repair of RSNA's 12-bit files are in docs/data.md.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>

#include "data/dicom/layout.h"
#include "data/dicom/series.h"

namespace liere {

struct DicomSlice {
  DicomHeader header;
  DicomLayout layout;
  int64_t bits_stored = 16, instance_number = 0;
  bool is_signed = false, rescale_missing = false, lossy = false;
  double slope = 1, intercept = 0;
  std::optional<uint16_t> padding;                  // PixelPaddingValue, as stored
  std::optional<double> thickness_mm;               // SliceThickness
  std::optional<std::array<double, 2>> spacing_mm;  // PixelSpacing: between rows, between columns
  std::array<double, 3> position{};                 // ImagePositionPatient, mm
  std::array<double, 6> orientation{};              // ImageOrientationPatient
};

/// Throws DicomRejection. Thread-safe.
DicomSlice read_dicom_slice(std::string_view bytes);
/// The same from the first bytes of a file of `file_bytes`, as far as read_dicom_head goes; nullopt where they do not reach the pixels.
std::optional<DicomSlice> read_dicom_slice_head(std::string_view head, uint64_t file_bytes);

/// Whether the stored values of RSNA's 12-bit files have to be wrapped: 12 bits, unsigned, intercept > -100.
bool needs_12_bit_repair(const DicomSlice& slice);

/// HU of each of the 65,536 stored values, clipped to [-1024, 3071].
std::vector<int16_t> hounsfield_table(const DicomSlice& slice);

}  // namespace liere
