#include "data/dicom/series.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <ios>
#include <tuple>

#include "core/check.h"
#include "data/dicom/assembly.h"
#include "data/dicom/decode_child.h"
#include "data/dicom/rejection.h"
#include "data/dicom/slice.h"

namespace liere {

#ifndef LIERE_DICOM
namespace {
[[noreturn]] void refuse() { throw ConfigError("This build does not read DICOM: install libdcmtk-dev and build again (cmake -DLIERE_DICOM=ON)."); }
}  // namespace
bool dicom_supported() { return false; }
bool read_dicom_header(const DicomEntry&, DicomHeader&, VolumeFinding&) { refuse(); }
CtVolume read_series(const std::vector<DicomEntry>&, const SeriesOptions&) { refuse(); }
#else
namespace {

constexpr size_t kHeadBytes = 32 << 10;  // the elements before the pixels take a few thousand

/// Runs `body` for one file: what rejects it becomes a finding.
template <typename Body>
bool accepted(const DicomEntry& entry, VolumeFinding& finding, const Body& body) {
  try {
    body();
    return true;
  } catch (const DicomRejection& rejection) {
    finding = {rejection.code, entry.name, rejection.what(), true};
  } catch (const DataError& error) {
    finding = {"unreadable", entry.name, error.what(), true};
  } catch (const std::ios_base::failure& error) {
    finding = {"unreadable", entry.name, error.what(), true};
  }
  return false;
}

void note_kept(const SeriesFile& file, std::vector<VolumeFinding>& findings) {
  if (file.slice.rescale_missing)
    findings.push_back({"rescale_missing", file.name, "RescaleSlope or RescaleIntercept is missing: 1 and 0 are taken.", false});
  if (file.slice.lossy) findings.push_back({"lossy", file.name, "The pixels were compressed with loss: Hounsfield units are approximate.", false});
  if (needs_12_bit_repair(file.slice))
    findings.push_back(
        {"repaired_12_bit", file.name, "12 bits, unsigned, intercept above -100: HU = (stored + 1000) mod 4096 - 1000 is taken.", false});
}

bool same_rescale(const DicomSlice& a, const DicomSlice& b) {
  return a.bits_stored == b.bits_stored && a.is_signed == b.is_signed && a.slope == b.slope && a.intercept == b.intercept && a.padding == b.padding;
}

void fill_hounsfield(const std::vector<SeriesFile>& files, Frames& hu) {
  const int64_t pixels = hu.shape().height * hu.shape().width;
  std::vector<int16_t> table;
  for (size_t i = 0; i < files.size(); ++i) {
    if (i == 0 || !same_rescale(files[i].slice, files[i - 1].slice)) table = hounsfield_table(files[i].slice);
    const char* stored = files[i].bytes.data() + files[i].pixel_offset;
    int16_t* to = hu.i16() + static_cast<int64_t>(i) * pixels;
    const int16_t* units = table.data();
    for (int64_t p = 0; p < pixels; ++p) {
      uint16_t value;
      std::memcpy(&value, stored + 2 * p, sizeof value);
      to[p] = units[value];
    }
  }
}

}  // namespace

bool dicom_supported() { return true; }

bool read_dicom_header(const DicomEntry& entry, DicomHeader& header, VolumeFinding& finding) {
  return accepted(entry, finding, [&] {
    if (entry.read_head) {
      if (const auto slice = read_dicom_slice_head(entry.read_head(kHeadBytes), entry.size)) {
        header = slice->header;
        return;
      }
    }
    header = read_dicom_slice(entry.read()).header;
  });
}

CtVolume read_series(const std::vector<DicomEntry>& entries, const SeriesOptions& options) {
  CtVolume volume;
  std::vector<SeriesFile> files;
  for (const auto& entry : entries) {
    VolumeFinding finding;
    SeriesFile file{entry.name};
    const bool good = accepted(entry, finding, [&] {
      auto bytes = entry.read();
      file.slice = read_dicom_slice(bytes);
      file.pixel_offset = file.slice.layout.pixel_offset;
      if (file.slice.layout.encapsulated) {
        const auto size = static_cast<size_t>(file.slice.header.rows * file.slice.header.columns * 2);
        bytes = decode_in_child(reduced_data_set(bytes, file.slice.layout, true), file.slice.layout.transfer_syntax, size,
                                {options.decode_seconds, options.decode_bytes});
        file.pixel_offset = 0;
      }
      file.bytes = std::move(bytes);
    });
    if (good)
      files.push_back(std::move(file));
    else
      volume.findings.push_back(std::move(finding));
  }
  assemble_series(files, options.min_slices, volume);
  for (const auto& file : files) note_kept(file, volume.findings);
  const auto& first = files.front().slice;
  volume.hu = Frames(PixelType::kI16, {static_cast<int64_t>(files.size()), first.header.rows, first.header.columns, 1});
  fill_hounsfield(files, volume.hu);
  std::sort(volume.findings.begin(), volume.findings.end(),
            [](const auto& a, const auto& b) { return std::tie(a.where, a.code, a.sentence) < std::tie(b.where, b.code, b.sentence); });
  return volume;
}
#endif

}  // namespace liere
