// CT slices written by DCMTK for the tests: small, complete, and changed at will.
#pragma once

#include <dcmtk/config/osconfig.h>
#include <dcmtk/dcmdata/dcrledrg.h>
#include <dcmtk/dcmdata/dcrleerg.h>
#include <dcmtk/dcmdata/dctk.h>
#include <dcmtk/dcmjpeg/djencode.h>
#include <dcmtk/dcmjpls/djencode.h>

#include <cstdint>
#include <functional>
#include <stdexcept>
#include <string>
#include <vector>

#include "core/files.h"
#include "data/dicom/series.h"
#include "support/fixtures.h"

namespace liere::test {

using ChangeDicom = std::function<void(DcmDataset&)>;

inline void set_text(DcmDataset& set, const DcmTagKey& tag, const std::string& text) { set.putAndInsertString(tag, text.c_str()); }

/// rows x columns pixels of 100, 101, ...; slice `index` lies index x 5 mm above the origin. DCMTK checks nothing of what `change` does.
inline std::string made_slice(int index = 0, const ChangeDicom& change = {}, E_TransferSyntax transfer_syntax = EXS_LittleEndianExplicit,
                              int rows = 4, int columns = 6) {
  DcmFileFormat file;
  auto& set = *file.getDataset();
  set_text(set, DCM_SOPClassUID, UID_CTImageStorage);
  set_text(set, DCM_SOPInstanceUID, "1.2.3." + std::to_string(100 + index));
  set_text(set, DCM_StudyInstanceUID, "1.2.3.4");
  set_text(set, DCM_SeriesInstanceUID, "1.2.3.5");
  set_text(set, DCM_PatientID, "P1");
  set_text(set, DCM_Modality, "CT");
  set_text(set, DCM_ImageType, "ORIGINAL\\PRIMARY\\AXIAL");
  set_text(set, DCM_ImagePositionPatient, "-10\\-20\\" + std::to_string(index * 5));
  set_text(set, DCM_ImageOrientationPatient, "1\\0\\0\\0\\1\\0");
  set_text(set, DCM_PixelSpacing, "0.5\\0.5");
  set_text(set, DCM_RescaleSlope, "1");
  set_text(set, DCM_RescaleIntercept, "-1024");
  set_text(set, DCM_PhotometricInterpretation, "MONOCHROME2");
  set.putAndInsertUint16(DCM_SamplesPerPixel, 1);
  set.putAndInsertUint16(DCM_Rows, static_cast<Uint16>(rows));
  set.putAndInsertUint16(DCM_Columns, static_cast<Uint16>(columns));
  set.putAndInsertUint16(DCM_BitsAllocated, 16);
  set.putAndInsertUint16(DCM_BitsStored, 16);
  set.putAndInsertUint16(DCM_HighBit, 15);
  set.putAndInsertUint16(DCM_PixelRepresentation, 1);
  std::vector<Uint16> pixels(static_cast<size_t>(rows * columns));
  for (size_t i = 0; i < pixels.size(); ++i) pixels[i] = static_cast<Uint16>(100 + index * 1000 + i);
  set.putAndInsertUint16Array(DCM_PixelData, pixels.data(), pixels.size());
  if (change) change(set);
  if (DcmXfer(transfer_syntax).isEncapsulated()) {
    DcmRLEEncoderRegistration::registerCodecs();
    DJEncoderRegistration::registerCodecs(ECC_lossyYCbCr, EUC_never);
    DJLSEncoderRegistration::registerCodecs();
    if (set.chooseRepresentation(transfer_syntax, nullptr).bad()) throw std::runtime_error("DCMTK did not compress the slice of a test");
  }
  const TemporaryFolder folder;
  const auto path = folder.path() / "slice.dcm";
  const auto saved = file.saveFile(path.c_str(), transfer_syntax);
  if (saved.bad()) throw std::runtime_error(std::string("DCMTK did not write the slice of a test: ") + saved.text());
  return read_file(path);
}

inline ChangeDicom with_text(const DcmTagKey& tag, const std::string& text) {
  return [=](DcmDataset& set) { set_text(set, tag, text); };
}
inline ChangeDicom with_word(const DcmTagKey& tag, int value) {
  return [=](DcmDataset& set) { set.putAndInsertUint16(tag, static_cast<Uint16>(value)); };
}
inline ChangeDicom without(const DcmTagKey& tag) {
  return [=](DcmDataset& set) { set.findAndDeleteElement(tag); };
}
inline ChangeDicom with_pixels(const std::vector<Uint16>& pixels) {
  return [=](DcmDataset& set) { set.putAndInsertUint16Array(DCM_PixelData, pixels.data(), pixels.size()); };
}

inline DicomEntry entry_of(const std::string& name, const std::string& bytes) {
  return {name, [bytes] { return bytes; }};
}

}  // namespace liere::test
