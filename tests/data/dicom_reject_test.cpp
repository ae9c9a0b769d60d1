// One reason code per file that cannot be a CT slice: every row of the table in docs/data.md.
#ifdef LIERE_DICOM
#include <algorithm>
#include <cstdlib>
#include <limits>

#include "core/check.h"
#include "data/dicom/rejection.h"
#include "made_dicom.h"
#include "support/catch.h"

using namespace liere;
using namespace liere::test;

namespace {

std::string code_of(const std::string& bytes) {
  DicomHeader header;
  VolumeFinding finding;
  if (read_dicom_header(entry_of("file", bytes), header, finding)) return "accepted";
  CHECK(finding.rejected);
  CHECK(finding.where == "file");
  CHECK(finding.sentence.size() > 20);
  return finding.code;
}
std::string code_of(const ChangeDicom& change) { return code_of(made_slice(0, change)); }

/// Where an element of an explicit file begins.
size_t find_element(const std::string& bytes, const std::string& head) {
  const auto place = bytes.find(head, 132);
  REQUIRE(place != std::string::npos);
  return place;
}
const std::string kPixelHead("\xe0\x7f\x10\0OW\0\0", 8);

std::string with_transfer_syntax(const std::string& uid) {
  auto bytes = made_slice();
  const std::string head("\x02\0\x10\0UI", 6);
  const auto place = find_element(bytes, head);
  const auto length = static_cast<uint8_t>(bytes[place + 6]);
  auto padded = uid + std::string(uid.size() % 2, '\0');
  bytes.replace(place + 6, 2 + length, std::string(1, static_cast<char>(padded.size())) + std::string(1, '\0') + padded);
  return bytes;
}

}  // namespace

TEST_CASE("a DICOM header that is no CT slice is refused with its code") {
  CHECK(code_of(ChangeDicom{}) == "accepted");
  const std::vector<std::tuple<std::string, ChangeDicom, const char*>> cases = {
      {"rows 0", with_word(DCM_Rows, 0), "rows"},
      {"rows 4097", with_word(DCM_Rows, 4097), "rows"},
      {"rows missing", without(DCM_Rows), "rows"},
      {"columns 0", with_word(DCM_Columns, 0), "columns"},
      {"columns 65535", with_word(DCM_Columns, 65535), "columns"},
      {"bits allocated 8", with_word(DCM_BitsAllocated, 8), "bits_allocated"},
      {"bits allocated 32", with_word(DCM_BitsAllocated, 32), "bits_allocated"},
      {"bits allocated missing", without(DCM_BitsAllocated), "bits_allocated"},
      {"bits stored 7", with_word(DCM_BitsStored, 7), "bits_stored"},
      {"bits stored 17", with_word(DCM_BitsStored, 17), "bits_stored"},
      {"bits stored 0", with_word(DCM_BitsStored, 0), "bits_stored"},
      {"high bit 14 of 16", with_word(DCM_HighBit, 14), "high_bit"},
      {"high bit missing", without(DCM_HighBit), "high_bit"},
      {"pixel representation 2", with_word(DCM_PixelRepresentation, 2), "pixel_representation"},
      {"pixel representation missing", without(DCM_PixelRepresentation), "pixel_representation"},
      {"three samples", with_word(DCM_SamplesPerPixel, 3), "samples_per_pixel"},
      {"samples missing", without(DCM_SamplesPerPixel), "samples_per_pixel"},
      {"MONOCHROME1", with_text(DCM_PhotometricInterpretation, "MONOCHROME1"), "photometric"},
      {"photometric missing", without(DCM_PhotometricInterpretation), "photometric"},
      {"short pixels", with_pixels(std::vector<Uint16>(23)), "pixel_data_short"},
      {"long pixels", with_pixels(std::vector<Uint16>(25)), "pixel_data_long"},
      {"no pixels", without(DCM_PixelData), "pixel_data_absent"},
      {"slope 0", with_text(DCM_RescaleSlope, "0"), "slope"},
      {"slope -1", with_text(DCM_RescaleSlope, "-1"), "slope"},
      {"slope NaN", with_text(DCM_RescaleSlope, "NaN"), "slope"},
      {"slope a word", with_text(DCM_RescaleSlope, "1,5"), "slope"},
      {"two slopes", with_text(DCM_RescaleSlope, "1\\2"), "slope"},
      {"intercept infinite", with_text(DCM_RescaleIntercept, "1e999"), "intercept"},
      {"position missing", without(DCM_ImagePositionPatient), "position"},
      {"position NaN", with_text(DCM_ImagePositionPatient, "1\\nan\\2"), "position"},
      {"position of two", with_text(DCM_ImagePositionPatient, "1\\2"), "position"},
      {"position a light year away", with_text(DCM_ImagePositionPatient, "1\\2\\9e18"), "position"},
      {"orientation missing", without(DCM_ImageOrientationPatient), "orientation"},
      {"orientation NaN", with_text(DCM_ImageOrientationPatient, "1\\0\\0\\0\\nan\\0"), "orientation"},
      {"orientation of length 2", with_text(DCM_ImageOrientationPatient, "2\\0\\0\\0\\1\\0"), "orientation"},
      {"orientation oblique", with_text(DCM_ImageOrientationPatient, "1\\0\\0\\1\\0\\0"), "orientation"},
      {"patient empty", with_text(DCM_PatientID, ""), "patient_id"},
      {"patient blank", with_text(DCM_PatientID, "  "), "patient_id"},
      {"patient missing", without(DCM_PatientID), "patient_id"},
      {"study missing", without(DCM_StudyInstanceUID), "identifiers"},
      {"series missing", without(DCM_SeriesInstanceUID), "identifiers"},
      {"two frames", with_text(DCM_NumberOfFrames, "2"), "multi_frame"},
      {"frames a word", with_text(DCM_NumberOfFrames, "x"), "multi_frame"},
      {"enhanced CT", with_text(DCM_SOPClassUID, UID_EnhancedCTImageStorage), "multi_frame"},
      {"a localiser", with_text(DCM_ImageType, "ORIGINAL\\PRIMARY\\LOCALIZER"), "localizer"},
      {"another modality", with_text(DCM_Modality, "MR"), "modality"},
  };
  for (const auto& [what, change, code] : cases) {
    INFO(what);
    CHECK(code_of(change) == code);
    CHECK(std::count_if(kDicomCodes.begin(), kDicomCodes.end(), [&, c = std::string(code)](const auto& known) { return known.code == c; }) == 1);
  }
  CHECK(code_of(with_text(DCM_NumberOfFrames, "1")) == "accepted");
  CHECK(code_of(without(DCM_PixelSpacing)) == "accepted");
}

TEST_CASE("DICOM files whose bytes are not what they declare are refused with their code") {
  const auto good = made_slice();
  CHECK(code_of(std::string()) == "not_dicom");
  CHECK(code_of(std::string(500, 'x')) == "not_dicom");
  CHECK(code_of(good.substr(132)) == "no_preamble");
  CHECK(code_of(good.substr(0, 132)) == "transfer_syntax");
  // Cut anywhere: never accepted.
  for (size_t size = 132; size < good.size(); ++size) {
    INFO(size);
    CHECK(code_of(good.substr(0, size)) != "accepted");
  }
  CHECK(code_of(good.substr(0, good.size() - 10)) == "truncated");
  CHECK(code_of(good + "garbage behind the pixels") == "malformed");

  const auto pixels = find_element(good, kPixelHead);
  auto changed = good;
  changed.replace(pixels + 8, 4, "\xff\xff\xff\xff", 4);
  CHECK(code_of(changed) == "pixel_data_undefined");
  changed.replace(pixels + 8, 4, "\xf0\xff\xff\x7f", 4);  // 2 GB in a file of 1 KB
  CHECK(code_of(changed) == "truncated");
  changed = good;
  changed[pixels + 8] = static_cast<char>(changed[pixels + 8] - 1);
  changed.pop_back();
  CHECK(code_of(changed) == "pixel_data_odd");
  CHECK(code_of(good + good.substr(pixels)) == "pixel_data_twice");
  const auto rows = find_element(good, std::string("\x28\0\x10\0US", 6));
  CHECK(code_of(good.substr(0, rows) + good.substr(rows, 10) + good.substr(rows)) == "duplicate_element");
  changed = good;
  changed.replace(rows + 4, 2, "LO");
  CHECK(code_of(changed) == "malformed");
}

TEST_CASE("sequences of a DICOM file are walked with a bound and never reach the reader") {
  const auto good = made_slice();
  const auto pixels = find_element(good, kPixelHead);
  const auto nested = [&](int depth) {
    std::string sequence;
    for (int i = 0; i < depth; ++i)
      sequence += std::string("\x40\0\x75\x02SQ\0\0\xff\xff\xff\xff", 12) + std::string("\xfe\xff\0\xe0\xff\xff\xff\xff", 8);
    for (int i = 0; i < depth; ++i) sequence += std::string("\xfe\xff\x0d\xe0\0\0\0\0", 8) + std::string("\xfe\xff\xdd\xe0\0\0\0\0", 8);
    return good.substr(0, pixels) + sequence + good.substr(pixels);
  };
  CHECK(code_of(nested(1)) == "accepted");
  CHECK(code_of(nested(15)) == "accepted");
  CHECK(code_of(nested(17)) == "nesting");
  CHECK(code_of(nested(8000)) == "nesting");
  // 8,000 levels behind one defined length are skipped unread.
  std::string inside;
  for (int i = 0; i < 8000; ++i) inside += std::string("\x40\0\x75\x02SQ\0\0\xff\xff\xff\xff", 12);
  const auto length = static_cast<uint32_t>(inside.size());
  const auto head = std::string("\x40\0\x75\x02SQ\0\0", 8) + std::string(reinterpret_cast<const char*>(&length), 4);
  CHECK(code_of(good.substr(0, pixels) + head + inside + good.substr(pixels)) == "accepted");
}

TEST_CASE("transfer syntaxes that are not read are refused by name") {
  CHECK(code_of(with_transfer_syntax("1.2.840.10008.1.2.2")) == "big_endian");
  CHECK(code_of(with_transfer_syntax("1.2.840.10008.1.2.1.99")) == "deflated");
  CHECK(code_of(with_transfer_syntax("1.2.840.10008.1.2.4.90")) == "jpeg2000");
  CHECK(code_of(with_transfer_syntax("1.2.840.10008.1.2.4.91")) == "jpeg2000");
  CHECK(code_of(with_transfer_syntax("1.2.840.10008.1.2.4.201")) == "jpeg2000");
  CHECK(code_of(with_transfer_syntax("1.2.840.10008.1.2.4.100")) == "transfer_syntax");
  CHECK(code_of(with_transfer_syntax("1.2.3")) == "transfer_syntax");
  CHECK(code_of(with_transfer_syntax("1.2.840.10008.1.2.5")) == "pixel_data_defined");
  CHECK(code_of(made_slice(0, {}, EXS_LittleEndianImplicit)) == "accepted");
  CHECK(code_of(made_slice(0, {}, EXS_RLELossless)) == "accepted");
}

TEST_CASE("a DICOM file that cannot be read is a finding, not the end") {
  DicomHeader header;
  VolumeFinding finding;
  CHECK(!read_dicom_header({"gone", []() -> std::string { throw DataError("No such file: gone."); }}, header, finding));
  CHECK(finding.code == "unreadable");
}

TEST_CASE("docs/data.md lists every code of a DICOM finding") {
  const auto text = read_file(std::filesystem::path(LIERE_SOURCE_DIR) / "docs/data.md");
  for (const auto& known : kDicomCodes) {
    INFO(known.code);
    CHECK(text.find("`" + std::string(known.code) + "`") != std::string::npos);
  }
}
#endif
