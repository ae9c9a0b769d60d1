// Every code of a DICOM file or series that can be made by a file reaches findings.json of a prepared set, and costs that file or series alone.
#ifdef LIERE_DICOM
#include <nlohmann/json.hpp>
#include <set>

#include "core/check.h"
#include "data/dicom/rejection.h"
#include "data/prepare/volumes.h"
#include "data/prepare/volumes_report.h"
#include "data/volumes/manifest.h"
#include "made_series.h"
#include "support/catch.h"
#include "support/matchers.h"

using namespace liere;
using namespace liere::test;

namespace {

const MadeSeries kGood{0, 6, false};

/// Files that are left out for themselves, by code.
MadeFiles broken_files() {
  const auto changed = [](const ChangeDicom& change) { return made_series_slice(kGood, 5, change); };
  const std::string good = made_series_slice(kGood, 5);
  MadeFiles files = {{"not_dicom", "<html>"},
                     {"no_preamble", good.substr(132)},
                     {"truncated", good.substr(0, good.size() - 100)},
                     {"modality", changed(with_text(DCM_Modality, "MR"))},
                     {"multi_frame", changed(with_text(DCM_NumberOfFrames, "2"))},
                     {"rows", changed(with_word(DCM_Rows, 0))},
                     {"columns", changed(with_word(DCM_Columns, 5000))},
                     {"bits_allocated", changed(with_word(DCM_BitsAllocated, 8))},
                     {"bits_stored", changed(with_word(DCM_BitsStored, 7))},
                     {"high_bit", changed(with_word(DCM_HighBit, 3))},
                     {"pixel_representation", changed(with_word(DCM_PixelRepresentation, 2))},
                     {"samples_per_pixel", changed(with_word(DCM_SamplesPerPixel, 3))},
                     {"photometric", changed(with_text(DCM_PhotometricInterpretation, "MONOCHROME1"))},
                     {"slope", changed(with_text(DCM_RescaleSlope, "0"))},
                     {"intercept", changed(with_text(DCM_RescaleIntercept, "nan"))},
                     {"position", changed(without(DCM_ImagePositionPatient))},
                     {"orientation", changed(without(DCM_ImageOrientationPatient))},
                     {"patient_id", changed(with_text(DCM_PatientID, ""))},
                     {"identifiers", changed(with_text(DCM_SeriesInstanceUID, ""))},
                     {"localizer", changed(with_text(DCM_ImageType, "ORIGINAL\\PRIMARY\\LOCALIZER\\X"))},
                     {"pixel_data_absent", changed(without(DCM_PixelData))},
                     {"pixel_data_short", changed(with_pixels(std::vector<Uint16>(255)))},
                     {"pixel_data_long", changed(with_pixels(std::vector<Uint16>(257)))},
                     {"duplicate_instance", good},
                     {"duplicate_position", changed(with_text(DCM_SOPInstanceUID, "9.8.5.1"))},
                     {"other_orientation", changed([](DcmDataset& set) {
                        set_text(set, DCM_SOPInstanceUID, "9.8.5.2"), set_text(set, DCM_ImageOrientationPatient, "0\\1\\0\\0\\0\\1");
                      })}};
  return files;
}

/// Series of six slices that cannot be used, or of which something is noted; `change` gets the slice's number.
MadeFiles changed_series(int patient, const std::function<void(int, DcmDataset&)>& change, int slices = 6) {
  MadeFiles files;
  for (int s = 0; s < slices; ++s)
    files["odd/" + std::to_string(patient) + "-" + std::to_string(s)] =
        made_series_slice({patient, slices, false}, s, [&](DcmDataset& set) { change(s, set); });
  return files;
}

}  // namespace

TEST_CASE("each reason to leave a file or series out, and each note, is in findings.json", "[prepare][dicom]") {
  MadeFiles files = made_set(1, "");
  std::set<std::string> left_out,
      noted = {"gap",  "rescale_missing", "tilt", "pixel_spacing_missing", "pixel_spacing_mixed", "pixel_spacing_not_square", "repaired_12_bit",
               "lossy"};
  for (const auto& [code, bytes] : broken_files()) files["broken/" + code] = bytes, left_out.insert(code);
  const auto add = [&](const MadeFiles& more) { files.insert(more.begin(), more.end()); };
  const auto nothing = [](int, DcmDataset&) {};
  add(changed_series(1, [](int s, DcmDataset& set) { set_text(set, DCM_PatientID, "Secret^Other" + std::to_string(s)); }));
  add(changed_series(2, [](int s, DcmDataset& set) {
    if (s == 3) set.putAndInsertUint16(DCM_Rows, 8), set.putAndInsertUint16(DCM_Columns, 32);
  }));
  add(changed_series(3, [](int s, DcmDataset& set) {
    if (s % 2) set_text(set, DCM_ImageOrientationPatient, "0\\1\\0\\0\\0\\1");
  }));
  add(changed_series(4, nothing, 4));
  left_out.insert({"mixed_series", "mixed_sizes", "mixed_orientations", "too_few_slices"});
  add(changed_series(5, [](int s, DcmDataset& set) {
    if (s == 5) set_text(set, DCM_ImagePositionPatient, "-10\\-20\\90");
  }));
  add(changed_series(6, [](int, DcmDataset& set) { set.findAndDeleteElement(DCM_RescaleSlope); }));
  add(changed_series(
      7, [](int s, DcmDataset& set) { set_text(set, DCM_ImagePositionPatient, "-10\\" + std::to_string(s) + "\\" + std::to_string(5 * s)); }));
  add(changed_series(8, [](int, DcmDataset& set) { set.findAndDeleteElement(DCM_PixelSpacing); }));
  add(changed_series(9, [](int s, DcmDataset& set) {
    if (s) set_text(set, DCM_PixelSpacing, "0.6\\0.6");
  }));
  add(changed_series(10, [](int, DcmDataset& set) { set_text(set, DCM_PixelSpacing, "0.6\\0.7"); }));
  add(changed_series(11, [](int, DcmDataset& set) {
    set.putAndInsertUint16(DCM_BitsStored, 12), set.putAndInsertUint16(DCM_HighBit, 11), set.putAndInsertUint16(DCM_PixelRepresentation, 0);
    set_text(set, DCM_RescaleIntercept, "0");
  }));
  add(changed_series(12, [](int, DcmDataset& set) { set_text(set, DCM_LossyImageCompression, "01"); }));

  const TemporaryFolder folder;
  write_set(folder.path() / "from", files);
  const PrepareVolumesOptions options{.from = (folder.path() / "from").string(), .root = (folder.path() / "root").string(), .size = "4,8,8"};
  prepare_volumes(options);
  const std::string text = read_file(folder.path() / "root/findings.json");
  const auto report = nlohmann::json::parse(text);
  for (const auto& code : left_out) {
    INFO(code);
    CHECK(report.at("left_out").contains(code));
  }
  for (const auto& code : noted) {
    INFO(code);
    CHECK(report.at("noted").contains(code));
  }
  for (const auto& code : kDicomCodes) CHECK((code.scope == "note" || !report.at("noted").contains(std::string(code.code))));
  for (const auto& [code, bytes] : broken_files()) {
    INFO(code);
    CHECK(report.at("left_out").at(code).get<int>() >= 1);
  }
  CHECK(text.find("Secret") == std::string::npos);
  CHECK(text.find("broken/") == std::string::npos);
  // The good series and those that are only odd: whole but for what was left out.
  const auto manifest = read_volume_manifest(folder.path() / "root");
  CHECK(manifest.entries.size() == 9);
  for (const auto& entry : manifest.entries) CHECK(entry.slices == 6);
}

TEST_CASE("a set of which nothing can be used is refused with a reason, and its findings are there", "[prepare][dicom]") {
  const TemporaryFolder folder;
  write_set(folder.path() / "from", changed_series(
                                        4, [](int, DcmDataset&) {}, 3));
  const PrepareVolumesOptions options{.from = (folder.path() / "from").string(), .root = (folder.path() / "root").string(), .size = "4,8,8"};
  CHECK_THROWS_WITH(prepare_volumes(options), has("none among 3 files") && has("at least 5 slices"));
  CHECK(std::filesystem::exists(folder.path() / "root/findings.json"));
  CHECK_FALSE(std::filesystem::exists(folder.path() / "root/manifest.json"));
}

TEST_CASE("a decoder that was killed is tried again by the next call", "[prepare][dicom]") {
  const TemporaryFolder folder;
  MadeFiles files;
  for (int s = 0; s < 6; ++s) files["slice" + std::to_string(s)] = made_slice(s, {}, EXS_RLELossless, 16, 16);
  write_set(folder.path() / "from", files);
  const auto program = folder.path() / "dies";
  write_file_atomically(program, "#!/bin/sh\nkill -9 $$\n");
  std::filesystem::permissions(program, std::filesystem::perms::owner_all);
  const PrepareVolumesOptions options{.from = (folder.path() / "from").string(), .root = (folder.path() / "root").string(), .size = "4,8,8"};
  ::setenv("LIERE_DICOM_DECODE", program.c_str(), 1);
  CHECK_THROWS_WITH(prepare_volumes(options), has("6 decoder_died"));
  ::unsetenv("LIERE_DICOM_DECODE");
  prepare_volumes(options);
  CHECK(read_volume_manifest(options.root).entries.size() == 1);
  CHECK(nlohmann::json::parse(read_file(folder.path() / "root/findings.json")).at("left_out").empty());
}

TEST_CASE("docs/data.md lists every code of a prepared set", "[prepare]") {
  const auto text = read_file(std::filesystem::path(LIERE_SOURCE_DIR) / "docs/data.md");
  for (const char* code : kPrepareCodes) {
    INFO(code);
    CHECK(text.find(std::string("`").append(code).append("`")) != std::string::npos);
  }
}
#endif
