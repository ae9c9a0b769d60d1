// Where things lie in a DICOM file (PS3.10, PS3.5 section 7): the bound check that every file passes before DCMTK sees any of it. It walks the top
// level once, without recursion, holds every declared length against the file's size and sequences to 32 levels, and keeps the places of the elements
// that a CT slice needs (DCMTK 3.6.7 dies of thousands of nested sequences and allocates what a length says). Those few, none of them a sequence, are
// what DCMTK then reads.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace liere {

struct DicomElement {
  uint32_t tag = 0;               // group << 16 | element
  size_t offset = 0, length = 0;  // of its value in the file
};

struct DicomLayout {
  std::string transfer_syntax;
  bool encapsulated = false;
  std::vector<DicomElement> elements;
  size_t pixel_offset = 0, pixel_length = 0;  // native: the values; encapsulated: the items with the delimiter that ends them
};

/// Throws DicomRejection. `bytes` is the whole file.
DicomLayout read_dicom_layout(std::string_view bytes);
/// The same from the first bytes of a file of `file_bytes`: up to the pixels, of which native ones' length is held against the file's size; nothing is known of what
/// is behind, nor of compressed pixels. nullopt where `head` ends before the pixels begin. Throws DicomRejection.
std::optional<DicomLayout> read_dicom_head(std::string_view head, uint64_t file_bytes);

/// The elements as an explicit little-endian data set of known VRs; with `pixels`, the encapsulated pixel data too.
std::string reduced_data_set(std::string_view bytes, const DicomLayout& layout, bool pixels);

}  // namespace liere
