// Why a DICOM file or a series is left out, or what about it a person should know: one fixed word per reason. docs/data.md has the same table; a test
// holds them together.
#pragma once

#include <array>
#include <stdexcept>
#include <string>
#include <string_view>

namespace liere {

/// Thrown inside src/data/dicom for one file; read_series and read_dicom_header make a VolumeFinding of it.
struct DicomRejection : std::runtime_error {
  DicomRejection(std::string code_, const std::string& sentence) : std::runtime_error(sentence), code(std::move(code_)) {}
  std::string code;
};

struct DicomCode {
  std::string_view code, scope;  // scope: "file" (left out), "series" (DataError), "note" (kept)
};

inline constexpr std::array kDicomCodes = {
    // the file as bytes
    DicomCode{"unreadable", "file"}, DicomCode{"not_dicom", "file"}, DicomCode{"no_preamble", "file"}, DicomCode{"truncated", "file"},
    DicomCode{"malformed", "file"}, DicomCode{"nesting", "file"}, DicomCode{"duplicate_element", "file"}, DicomCode{"transfer_syntax", "file"},
    DicomCode{"big_endian", "file"}, DicomCode{"deflated", "file"}, DicomCode{"jpeg2000", "file"},
    // its pixels
    DicomCode{"pixel_data_absent", "file"}, DicomCode{"pixel_data_twice", "file"}, DicomCode{"pixel_data_undefined", "file"},
    DicomCode{"pixel_data_defined", "file"}, DicomCode{"pixel_data_odd", "file"}, DicomCode{"pixel_data_short", "file"},
    DicomCode{"pixel_data_long", "file"}, DicomCode{"decoder_refused", "file"}, DicomCode{"decoder_died", "file"},
    DicomCode{"decoder_timeout", "file"},
    // its header
    DicomCode{"modality", "file"}, DicomCode{"multi_frame", "file"}, DicomCode{"rows", "file"}, DicomCode{"columns", "file"},
    DicomCode{"bits_allocated", "file"}, DicomCode{"bits_stored", "file"}, DicomCode{"high_bit", "file"}, DicomCode{"pixel_representation", "file"},
    DicomCode{"samples_per_pixel", "file"}, DicomCode{"photometric", "file"}, DicomCode{"slope", "file"}, DicomCode{"intercept", "file"},
    DicomCode{"position", "file"}, DicomCode{"orientation", "file"}, DicomCode{"patient_id", "file"}, DicomCode{"identifiers", "file"},
    DicomCode{"localizer", "file"},
    // among the files of its series
    DicomCode{"other_orientation", "file"}, DicomCode{"duplicate_instance", "file"}, DicomCode{"duplicate_position", "file"},
    DicomCode{"mixed_series", "series"}, DicomCode{"mixed_sizes", "series"}, DicomCode{"mixed_orientations", "series"},
    DicomCode{"too_few_slices", "series"},
    // kept
    DicomCode{"rescale_missing", "note"}, DicomCode{"repaired_12_bit", "note"}, DicomCode{"lossy", "note"}, DicomCode{"gap", "note"},
    DicomCode{"tilt", "note"}, DicomCode{"pixel_spacing_missing", "note"}, DicomCode{"pixel_spacing_mixed", "note"},
    DicomCode{"pixel_spacing_not_square", "note"}, DicomCode{"spacing_unknown", "note"}};

}  // namespace liere
