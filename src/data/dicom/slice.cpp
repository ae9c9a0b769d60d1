#include "data/dicom/slice.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "data/dicom/rejection.h"

#ifdef LIERE_DICOM
#include <dcmtk/config/osconfig.h>
#include <dcmtk/dcmdata/dcistrmb.h>
#include <dcmtk/dcmdata/dctk.h>

#include <mutex>
#endif

namespace liere {

bool needs_12_bit_repair(const DicomSlice& slice) { return slice.bits_stored == 12 && !slice.is_signed && slice.intercept > -100; }

std::vector<int16_t> hounsfield_table(const DicomSlice& slice) {
  constexpr double kLowest = -1024, kHighest = 3071;
  const bool repair = needs_12_bit_repair(slice);
  const int32_t mask = (1 << slice.bits_stored) - 1, sign = 1 << (slice.bits_stored - 1);
  const auto unclipped = [&](int32_t stored) {
    int32_t value = stored & mask;
    if (repair) return static_cast<double>((value + 1000) % 4096 - 1000);
    if (slice.is_signed && (value & sign)) value -= mask + 1;
    return value * slice.slope + slice.intercept;
  };
  std::vector<int16_t> table(65536);
  for (int32_t stored = 0; stored < 65536; ++stored)
    table[stored] = static_cast<int16_t>(std::lrint(std::clamp(unclipped(stored), kLowest, kHighest)));
  if (slice.padding && unclipped(*slice.padding) > kHighest) table[*slice.padding] = static_cast<int16_t>(kLowest);
  return table;
}

#ifdef LIERE_DICOM
namespace {

/// DCMTK keeps its dictionary and its logger in globals: made once, before any thread uses them.
void start_dcmtk() {
  static std::once_flag once;
  std::call_once(once, [] {
    OFLog::configure(OFLogger::OFF_LOG_LEVEL);
    dcmEnableAutomaticInputDataCorrection.set(OFFalse);
    dcmDataDict.isDictionaryLoaded();
  });
}

class Attributes {
 public:
  explicit Attributes(const std::string& reduced) {
    start_dcmtk();
    DcmInputBufferStream stream;
    stream.setBuffer(reduced.data(), static_cast<offile_off_t>(reduced.size()));
    stream.setEos();
    set_.transferInit();
    const auto condition = set_.read(stream, EXS_LittleEndianExplicit);
    set_.transferEnd();
    if (condition.bad()) throw DicomRejection("malformed", std::string("DCMTK does not read the header: ") + condition.text() + ".");
  }

  std::string text(DcmTagKey tag) {
    OFString value;
    if (set_.findAndGetOFStringArray(tag, value).bad()) return "";
    const std::string all(value.c_str(), value.size());
    const auto first = all.find_first_not_of(" "), last = all.find_last_not_of(std::string_view(" \0", 2));
    return first == std::string::npos || last == std::string::npos ? "" : all.substr(first, last - first + 1);
  }

  std::optional<uint16_t> word(DcmTagKey tag) {
    Uint16 value = 0;
    DcmElement* element = nullptr;
    if (set_.findAndGetElement(tag, element).bad() || element->getVM() != 1 || element->getUint16(value).bad()) return {};
    return value;
  }

  /// The numbers of a decimal or integer string; empty where absent or where one is no finite number.
  std::vector<double> numbers(DcmTagKey tag) {
    std::vector<double> found;
    const auto all = text(tag);
    if (all.empty()) return {};
    for (size_t start = 0; start <= all.size();) {
      const auto end = std::min(all.find('\\', start), all.size());
      std::string_view part(all.data() + start, end - start);
      while (!part.empty() && (part.front() == ' ' || part.front() == '+')) part.remove_prefix(1);
      while (!part.empty() && (part.back() == ' ' || part.back() == '\0')) part.remove_suffix(1);
      double value = 0;
      const auto result = std::from_chars(part.data(), part.data() + part.size(), value);
      if (result.ec != std::errc() || result.ptr != part.data() + part.size() || !std::isfinite(value)) return {};
      found.push_back(value);
      start = end + 1;
    }
    return found;
  }

 private:
  DcmDataset set_;
};

[[noreturn]] void refuse(const char* code, const std::string& sentence) { throw DicomRejection(code, sentence); }

uint16_t word_in(Attributes& attributes, DcmTagKey tag, const char* code, const std::string& name, int low, int high) {
  const auto value = attributes.word(tag);
  if (!value || *value < low || *value > high)
    refuse(code, name + " must be " + (low == high ? std::to_string(low) : std::to_string(low) + ".." + std::to_string(high)) + "; it is " +
                     (value ? std::to_string(*value) : "missing") + ".");
  return *value;
}

void read_kind(Attributes& attributes) {
  if (const auto modality = attributes.text(DCM_Modality); !modality.empty() && modality != "CT")
    refuse("modality", "Modality must be CT; it is another one.");
  const auto frames = attributes.text(DCM_NumberOfFrames);
  if ((!frames.empty() && attributes.numbers(DCM_NumberOfFrames) != std::vector<double>{1}) ||
      attributes.text(DCM_SOPClassUID) == UID_EnhancedCTImageStorage)
    refuse("multi_frame", "The file holds several frames (enhanced CT); one slice per file is read: convert the series to classic CT images.");
  const auto type = attributes.text(DCM_ImageType) + "\\";
  if (type.find("\\LOCALIZER\\") != std::string::npos) refuse("localizer", "ImageType says LOCALIZER: no slice of the volume.");
}

void read_pixel_format(Attributes& attributes, DicomSlice& slice) {
  slice.header.rows = word_in(attributes, DCM_Rows, "rows", "Rows", 1, 4096);
  slice.header.columns = word_in(attributes, DCM_Columns, "columns", "Columns", 1, 4096);
  word_in(attributes, DCM_BitsAllocated, "bits_allocated", "BitsAllocated", 16, 16);
  slice.bits_stored = word_in(attributes, DCM_BitsStored, "bits_stored", "BitsStored", 8, 16);
  const int high = static_cast<int>(slice.bits_stored) - 1;
  word_in(attributes, DCM_HighBit, "high_bit", "HighBit (BitsStored - 1)", high, high);
  slice.is_signed = word_in(attributes, DCM_PixelRepresentation, "pixel_representation", "PixelRepresentation", 0, 1) == 1;
  word_in(attributes, DCM_SamplesPerPixel, "samples_per_pixel", "SamplesPerPixel", 1, 1);
  if (attributes.text(DCM_PhotometricInterpretation) != "MONOCHROME2")
    refuse("photometric", "PhotometricInterpretation must be MONOCHROME2; it is missing or another one.");
  slice.padding = attributes.word(DCM_PixelPaddingValue);
  slice.lossy = attributes.text(DCM_LossyImageCompression) == "01";
  for (const auto* uid : {".4.50", ".4.51", ".4.53", ".4.55", ".4.81"}) slice.lossy |= slice.layout.transfer_syntax.ends_with(uid);
}

void read_rescale(Attributes& attributes, DicomSlice& slice) {
  const auto one = [&](DcmTagKey tag, const char* code, const char* name, double otherwise) {
    if (attributes.text(tag).empty()) {
      slice.rescale_missing = true;
      return otherwise;
    }
    const auto values = attributes.numbers(tag);
    if (values.size() != 1) refuse(code, std::string(name) + " must be a finite number; it is not.");
    return values[0];
  };
  slice.slope = one(DCM_RescaleSlope, "slope", "RescaleSlope", 1);
  slice.intercept = one(DCM_RescaleIntercept, "intercept", "RescaleIntercept", 0);
  if (slice.slope <= 0) refuse("slope", "RescaleSlope must be greater than 0; it is " + std::to_string(slice.slope) + ".");
}

/// Of a value that is no identifier: what a sentence says of it.
std::string shown(const std::string& text) {
  if (text.empty()) return "missing";
  std::string printable;
  for (const char c : text.substr(0, 80)) printable += c >= 32 && c < 127 ? c : '?';
  return "'" + printable + "'";
}

void read_geometry(Attributes& attributes, DicomSlice& slice) {
  const auto position = attributes.numbers(DCM_ImagePositionPatient);
  if (position.size() != 3 || std::any_of(position.begin(), position.end(), [](double x) { return std::abs(x) > 1e6; }))
    refuse("position", "ImagePositionPatient must be three numbers of millimetres; it is " + shown(attributes.text(DCM_ImagePositionPatient)) + ".");
  std::copy(position.begin(), position.end(), slice.position.begin());
  const auto o = attributes.numbers(DCM_ImageOrientationPatient);
  constexpr double kTolerance = 0.01;
  const auto dot = [&](int a, int b) { return o[a] * o[b] + o[a + 1] * o[b + 1] + o[a + 2] * o[b + 2]; };
  if (o.size() != 6 || std::abs(dot(0, 0) - 1) > kTolerance || std::abs(dot(3, 3) - 1) > kTolerance || std::abs(dot(0, 3)) > kTolerance)
    refuse("orientation", "ImageOrientationPatient must be two directions of length 1 at a right angle; it is " +
                              shown(attributes.text(DCM_ImageOrientationPatient)) + ".");
  std::copy(o.begin(), o.end(), slice.orientation.begin());
  const auto spacing = attributes.numbers(DCM_PixelSpacing);
  if (spacing.size() == 2 && spacing[0] > 0 && spacing[1] > 0) slice.spacing_mm = {spacing[0], spacing[1]};
  const auto thickness = attributes.numbers(DCM_SliceThickness);
  if (thickness.size() == 1 && thickness[0] > 0) slice.thickness_mm = thickness[0];
  const auto number = attributes.numbers(DCM_InstanceNumber);
  if (number.size() == 1 && std::abs(number[0]) < 1e9) slice.instance_number = static_cast<int64_t>(number[0]);
}

void check_pixel_length(const DicomSlice& slice) {
  if (slice.layout.encapsulated) return;
  const auto expected = static_cast<size_t>(slice.header.rows * slice.header.columns * 2), found = slice.layout.pixel_length;
  const auto sentence = "PixelData must have " + std::to_string(expected) + " bytes for its rows and columns; it has " + std::to_string(found) + ".";
  if (found % 2) refuse("pixel_data_odd", sentence);
  if (found < expected) refuse("pixel_data_short", sentence);
  if (found > expected) refuse("pixel_data_long", sentence);
}

DicomSlice slice_of(std::string_view bytes, DicomLayout layout) {
  DicomSlice slice;
  slice.layout = std::move(layout);
  slice.header.transfer_syntax = slice.layout.transfer_syntax;
  Attributes attributes(reduced_data_set(bytes, slice.layout, false));
  read_kind(attributes);
  read_pixel_format(attributes, slice);
  check_pixel_length(slice);
  read_rescale(attributes, slice);
  read_geometry(attributes, slice);
  slice.header.patient = attributes.text(DCM_PatientID);
  slice.header.study = attributes.text(DCM_StudyInstanceUID);
  slice.header.series = attributes.text(DCM_SeriesInstanceUID);
  slice.header.instance = attributes.text(DCM_SOPInstanceUID);
  if (slice.header.patient.empty()) refuse("patient_id", "PatientID is empty: the slice could fall into both halves of a split by patients.");
  if (slice.header.study.empty() || slice.header.series.empty() || slice.header.instance.empty())
    refuse("identifiers", "StudyInstanceUID, SeriesInstanceUID and SOPInstanceUID must be there; one is empty.");
  return slice;
}

}  // namespace

DicomSlice read_dicom_slice(std::string_view bytes) { return slice_of(bytes, read_dicom_layout(bytes)); }

std::optional<DicomSlice> read_dicom_slice_head(std::string_view head, uint64_t file_bytes) {
  auto layout = read_dicom_head(head, file_bytes);
  return layout ? std::optional(slice_of(head, std::move(*layout))) : std::nullopt;
}
#endif

}  // namespace liere
