// Compressed pixels (RLE, JPEG, JPEG-LS) are decoded by another program, liere-dicom-decode, so that a file on which the decoder dies, hangs or grows
// costs that file.
#pragma once

#include <cstdint>
#include <string>

namespace liere {

struct DecodeLimits {
  double seconds = 10;
  int64_t bytes = 1ll << 30;
};

/// `reduced`: reduced_data_set with pixels. Returns pixel_bytes bytes of stored values. Throws DicomRejection (decoder_refused, decoder_died,
/// decoder_timeout), ConfigError where the program is not beside this one (LIERE_DICOM_DECODE names another place). Thread-safe.
std::string decode_in_child(const std::string& reduced, const std::string& transfer_syntax, size_t pixel_bytes, const DecodeLimits& limits);

}  // namespace liere
