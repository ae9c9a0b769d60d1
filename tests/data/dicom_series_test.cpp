// Slices to Hounsfield units and volumes: vectors of the definitions, series that are assembled whatever the order of their files, the real ones of
// ../shared.
#ifdef LIERE_DICOM
#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <map>
#include <set>
#include <thread>

#include "core/check.h"
#include "data/dicom/layout.h"
#include "data/dicom/rejection.h"
#include "data/dicom/slice.h"
#include "made_dicom.h"
#include "support/catch.h"

using namespace liere;
using namespace liere::test;

namespace {

std::vector<DicomEntry> made_series(int slices, const std::function<ChangeDicom(int)>& change = {}) {
  std::vector<DicomEntry> entries;
  for (int i = 0; i < slices; ++i) entries.push_back(entry_of("f" + std::to_string(i), made_slice(i, change ? change(i) : ChangeDicom{})));
  return entries;
}

int count(const CtVolume& volume, const std::string& code) {
  return static_cast<int>(std::count_if(volume.findings.begin(), volume.findings.end(), [&](const auto& finding) { return finding.code == code; }));
}

std::string error_of(const std::vector<DicomEntry>& entries) {
  try {
    read_series(entries);
  } catch (const DataError& error) {
    return error.what();
  }
  return "accepted";
}

int hu(const DicomSlice& slice, int stored) { return hounsfield_table(slice)[static_cast<uint16_t>(stored)]; }

struct Decoder {  // another decoder for the time of a test
  explicit Decoder(const std::string& program) { ::setenv("LIERE_DICOM_DECODE", program.c_str(), 1); }
  ~Decoder() { ::unsetenv("LIERE_DICOM_DECODE"); }
};

}  // namespace

TEST_CASE("stored values become Hounsfield units by bits, sign, slope and intercept") {
  DicomSlice slice;
  slice.intercept = -1024;
  slice.is_signed = true;
  CHECK(hu(slice, 0) == -1024);
  CHECK(hu(slice, 1024) == 0);
  CHECK(hu(slice, -2000) == -1024);
  CHECK(hu(slice, 32767) == 3071);
  slice.is_signed = false;
  CHECK(hu(slice, 0xf830) == 3071);
  slice.padding = uint16_t(0xf830);
  CHECK(hu(slice, 0xf830) == -1024);  // a padding value that would be brighter than CT can be
  slice.padding = uint16_t(1024);
  CHECK(hu(slice, 1024) == 0);  // one within CT's range is left alone
  slice.slope = 0.5;
  CHECK(hu(slice, 2047) == 0);  // -0.5 to even
  CHECK(hu(slice, 2051) == 2);
  // 12 bits, signed, and rubbish above them.
  slice = {};
  slice.bits_stored = 12;
  slice.is_signed = true;
  CHECK(hu(slice, 0x0fff) == -1);
  CHECK(hu(slice, 0xf7ff) == 2047);
  CHECK(hu(slice, 0x0800) == -1024);
}

TEST_CASE("the repair of 12-bit files is RSNA's wrap, under its three conditions alone") {
  DicomSlice slice;
  slice.bits_stored = 12;
  for (const auto& [stored, expected] : std::map<int, int>{{3096, -1000}, {24, 24}, {3095, 3071}, {4095, -1}, {0, 0}, {3000, 3000}})
    CHECK(hu(slice, stored) == expected);
  slice.intercept = -100;
  CHECK(!needs_12_bit_repair(slice));
  CHECK(hu(slice, 3096) == 2996);
  slice.intercept = -99;
  CHECK(needs_12_bit_repair(slice));
  slice.is_signed = true;
  CHECK(!needs_12_bit_repair(slice));
  slice.is_signed = false;
  slice.bits_stored = 16;
  CHECK(!needs_12_bit_repair(slice));
}

TEST_CASE("a series is the same volume whatever the order of its files") {
  auto entries = made_series(7);
  const auto volume = read_series(entries);
  CHECK(volume.hu.type() == PixelType::kI16);
  CHECK(volume.hu.shape() == FrameShape{7, 4, 6, 1});
  CHECK(volume.spacing_mm == std::array<double, 3>{5, 0.5, 0.5});
  CHECK(volume.slice_names.front() == "1.2.3.100");
  CHECK(volume.slice_names.back() == "1.2.3.106");
  CHECK(volume.findings.empty());
  for (int i = 0; i < 7; ++i)
    for (int p = 0; p < 24; ++p) CHECK(volume.hu.i16()[i * 24 + p] == std::min(3071, 100 + i * 1000 + p - 1024));
  std::sort(entries.begin(), entries.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
  for (int i = 0; i < 50; ++i) {
    std::next_permutation(entries.begin(), entries.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
    const auto again = read_series(entries);
    CHECK(again.slice_names == volume.slice_names);
    CHECK(std::memcmp(again.hu.i16(), volume.hu.i16(), volume.hu.size_bytes()) == 0);
  }
}

TEST_CASE("what is odd in a series is found and dropped by its rule") {
  SECTION("gap") {
    auto entries = made_series(9);
    entries.erase(entries.begin() + 4);
    const auto volume = read_series(entries);
    CHECK(count(volume, "gap") == 1);
    CHECK(volume.findings[0].where == "f5");
    CHECK(volume.spacing_mm[0] == 5);
  }
  SECTION("duplicate position keeps the lower InstanceNumber") {
    auto entries = made_series(6);
    entries.push_back(entry_of("copy", made_slice(3, [](DcmDataset& set) {
                                 set_text(set, DCM_SOPInstanceUID, "1.2.3.1");
                                 set_text(set, DCM_InstanceNumber, "9");
                               })));
    const auto volume = read_series(entries);
    CHECK(volume.hu.shape().frames == 6);
    REQUIRE(count(volume, "duplicate_position") == 1);
    CHECK(volume.findings[0].where == "copy");
    CHECK(volume.findings[0].rejected);
  }
  SECTION("duplicate instance keeps the first name") {
    auto entries = made_series(6);
    entries.insert(entries.begin(), entry_of("z", made_slice(3)));
    const auto volume = read_series(entries);
    REQUIRE(count(volume, "duplicate_instance") == 1);
    CHECK(volume.findings[0].where == "z");
  }
  SECTION("tilt") {
    const auto volume = read_series(made_series(6, [](int) { return with_text(DCM_ImageOrientationPatient, "1\\0\\0\\0\\0.984808\\-0.173648"); }));
    REQUIRE(count(volume, "tilt") == 1);
    CHECK(volume.findings[0].sentence.find(" 10 degrees") != std::string::npos);
    CHECK(std::abs(volume.spacing_mm[0] - 5 * 0.984808) < 1e-5);
  }
  SECTION("localisers by name and by orientation") {
    auto entries = made_series(10);
    entries.push_back(entry_of("scout", made_slice(20, with_text(DCM_ImageType, "ORIGINAL\\PRIMARY\\LOCALIZER"))));
    entries.push_back(entry_of("side", made_slice(21, with_text(DCM_ImageOrientationPatient, "0\\1\\0\\0\\0\\-1"))));
    const auto volume = read_series(entries);
    CHECK(volume.hu.shape().frames == 10);
    CHECK(count(volume, "localizer") == 1);
    CHECK(count(volume, "other_orientation") == 1);
  }
  SECTION("spacing and rescaling that are missing") {
    const auto volume = read_series(made_series(5, [](int) {
      return [](DcmDataset& set) {
        set.findAndDeleteElement(DCM_PixelSpacing);
        set.findAndDeleteElement(DCM_RescaleSlope);
      };
    }));
    CHECK(count(volume, "pixel_spacing_missing") == 1);
    CHECK(count(volume, "rescale_missing") == 5);
    CHECK(volume.spacing_mm == std::array<double, 3>{5, 1, 1});
  }
  SECTION("pixels that are not square, or differ") {
    const auto volume = read_series(made_series(5, [](int i) { return with_text(DCM_PixelSpacing, i == 4 ? "0.6\\0.5" : "0.7\\0.5"); }));
    CHECK(count(volume, "pixel_spacing_not_square") == 1);
    CHECK(count(volume, "pixel_spacing_mixed") == 1);
    CHECK(volume.spacing_mm[1] == 0.7);
  }
}

TEST_CASE("a series that is no volume is refused with its code") {
  CHECK(error_of(made_series(4)).starts_with("too_few_slices: "));
  CHECK(error_of({}).starts_with("too_few_slices: "));
  CHECK(error_of(made_series(6, [](int i) { return i < 2 ? with_word(DCM_Rows, 9) : ChangeDicom{}; })).find("2 pixel_data_short") !=
        std::string::npos);
  auto sizes = made_series(6);
  sizes.push_back(entry_of("large", made_slice(8, {}, EXS_LittleEndianExplicit, 6, 4)));
  CHECK(error_of(sizes).starts_with("mixed_sizes: "));
  CHECK(error_of(made_series(6, [](int i) {
          return i % 2 ? with_text(DCM_ImageOrientationPatient, "0\\1\\0\\0\\0\\-1") : ChangeDicom{};
        })).starts_with("mixed_orientations: "));
  CHECK(error_of(made_series(6, [](int i) {
          return i == 2 ? with_text(DCM_SeriesInstanceUID, "1.2.9") : ChangeDicom{};
        })).starts_with("mixed_series: "));
  CHECK(error_of(made_series(6, [](int i) { return i == 2 ? with_text(DCM_PatientID, "P2") : ChangeDicom{}; })).starts_with("mixed_series: "));
}

TEST_CASE("lossless compression gives the pixels of the native file, in a child process") {
  // 32 x 32 pixels: DCMTK's JPEG-LS encoder writes beyond its buffer where the result is larger than the pixels, as it is for a few of them.
  const auto series = [](E_TransferSyntax syntax) {
    std::vector<DicomEntry> entries;
    for (int i = 0; i < 5; ++i) entries.push_back(entry_of("f" + std::to_string(i), made_slice(i, {}, syntax, 32, 32)));
    return read_series(entries);
  };
  const auto native = series(EXS_LittleEndianExplicit);
  for (const auto syntax : {EXS_RLELossless, EXS_JPEGProcess14, EXS_JPEGProcess14SV1, EXS_JPEGLSLossless, EXS_LittleEndianImplicit}) {
    INFO(DcmXfer(syntax).getXferName());
    const auto volume = series(syntax);
    CHECK(volume.findings.empty());
    CHECK(std::memcmp(volume.hu.i16(), native.hu.i16(), native.hu.size_bytes()) == 0);
  }
}

TEST_CASE("a decoder that dies, hangs or lies costs one file") {
  const TemporaryFolder folder;
  auto entries = made_series(5);
  entries.push_back(entry_of("packed", made_slice(7, {}, EXS_RLELossless)));
  CHECK(read_series(entries).hu.shape().frames == 6);
  const std::map<std::string, std::string> programs = {
      {"decoder_died", "kill -SEGV $$"}, {"decoder_timeout", "exec sleep 60"}, {"decoder_refused", "echo nonsense"}};
  for (const auto& [code, command] : programs) {
    INFO(code);
    const auto program = folder.path() / code;
    write_file_atomically(program, "#!/bin/sh\n" + command + "\n");
    std::filesystem::permissions(program, std::filesystem::perms::owner_all);
    const Decoder decoder(program);
    const auto volume = read_series(entries, {.decode_seconds = 0.2});
    CHECK(volume.hu.shape().frames == 5);
    REQUIRE(volume.findings.size() == 1);
    CHECK(volume.findings[0].code == code);
    CHECK(volume.findings[0].where == "packed");
  }
  const Decoder none(folder.path() / "none");
  CHECK_THROWS_AS(read_series(entries), ConfigError);
}

TEST_CASE("damaged compressed pixels and too little memory cost one file") {
  auto damaged = made_slice(7, {}, EXS_RLELossless);
  damaged[damaged.size() - 30] = static_cast<char>(damaged[damaged.size() - 30] ^ 0x55);
  auto entries = made_series(5);
  entries.push_back(entry_of("packed", damaged.substr(0, damaged.size() - 9)));
  const auto volume = read_series(entries);
  REQUIRE(volume.findings.size() == 1);
  CHECK(volume.findings[0].code == "truncated");
  entries.back() = entry_of("packed", made_slice(7, {}, EXS_RLELossless));
  const auto starved = read_series(entries, {.decode_bytes = 4 << 20});
  REQUIRE(starved.findings.size() == 1);
  CHECK(starved.findings[0].code.starts_with("decoder_"));
}

TEST_CASE("a header is read of a file's first bytes, and of all of them where these do not reach the pixels") {
  for (const auto syntax : {EXS_LittleEndianExplicit, EXS_LittleEndianImplicit, EXS_RLELossless}) {
    INFO(DcmXfer(syntax).getXferName());
    const auto bytes = made_slice(3, {}, syntax);
    const auto whole = read_dicom_slice(bytes);
    const std::string_view all = bytes;
    for (size_t count = 0; count < bytes.size(); ++count) {
      INFO(count);
      const auto head = read_dicom_slice_head(all.substr(0, count), bytes.size());
      REQUIRE(head.has_value() == (count >= whole.layout.pixel_offset));
      if (!head) continue;
      CHECK(head->header.instance == whole.header.instance);
      CHECK(head->position == whole.position);
      CHECK(head->layout.pixel_offset == whole.layout.pixel_offset);
      if (!whole.layout.encapsulated) CHECK(head->layout.pixel_length == whole.layout.pixel_length);
    }
    // The end of native pixels is held against the size of the file.
    if (!whole.layout.encapsulated) CHECK_THROWS_AS(read_dicom_slice_head(all.substr(0, whole.layout.pixel_offset), bytes.size() - 2), DicomRejection);
  }

  const auto private_bytes = [](DcmDataset& set) { set.putAndInsertUint8Array(DcmTag(0x0029, 0x1010, EVR_OB), std::vector<Uint8>(40000, 7).data(), 40000); };
  for (const bool is_long : {false, true}) {
    const auto bytes = made_slice(0, is_long ? ChangeDicom(private_bytes) : ChangeDicom());
    size_t heads = 0, wholes = 0;
    const DicomEntry entry{"a", [&] { return ++wholes, bytes; }, [&](size_t count) { return ++heads, bytes.substr(0, count); }, bytes.size()};
    DicomHeader header;
    VolumeFinding finding;
    CHECK(read_dicom_header(entry, header, finding));
    CHECK(header.instance == "1.2.3.100");
    CHECK(heads == 1);
    CHECK(wholes == (is_long ? 1 : 0));
  }
}

TEST_CASE("several threads read DICOM series at once") {
  const auto entries = made_series(8);
  const auto expected = read_series(entries);
  std::vector<int> good(4);
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&, t] {
      for (int i = 0; i < 50; ++i) good[t] += std::memcmp(read_series(entries).hu.i16(), expected.hu.i16(), expected.hu.size_bytes()) == 0;
    });
  for (auto& thread : threads) thread.join();
  CHECK(good == std::vector<int>(4, 50));
}

TEST_CASE("one CT slice in fifteen transfer syntaxes") {
  const auto folder = shared_folder() / "data/rsna/transfer_syntaxes";
  if (!std::filesystem::exists(folder)) {
    std::cout << "skipped: " << folder << " is not there\n";
    return;
  }
  std::map<std::string, std::string> outcome;
  std::vector<std::vector<int16_t>> lossless;
  for (const auto& file : std::filesystem::directory_iterator(folder)) {
    const auto name = file.path().filename().string();
    DicomHeader header;
    VolumeFinding finding;
    const DicomEntry entry{name, [path = file.path()] { return read_file(path); }};
    if (!read_dicom_header(entry, header, finding)) {
      outcome[name] = finding.code;
      continue;
    }
    const auto volume = read_series({entry}, {.min_slices = 1});
    const bool lossy = count(volume, "lossy");
    outcome[name] = lossy ? "lossy" : "lossless";
    if (!lossy) lossless.emplace_back(volume.hu.i16(), volume.hu.i16() + volume.hu.shape().elements());
  }
  const std::string ct = "CTImage.dcm_", uid = "TransferSyntax_1.2.840.10008.1.2", end = ".dcm";
  const std::map<std::string, std::string> expected = {{"CTImage.dcm", "lossless"},
                                                       {ct + "LittleEndianImplicit" + uid + end, "lossless"},
                                                       {ct + "LittleEndianExplicit" + uid + ".1" + end, "lossless"},
                                                       {ct + "RLELossless" + uid + ".5" + end, "lossless"},
                                                       {ct + "JPEGProcess14" + uid + ".4.57" + end, "lossless"},
                                                       {ct + "JPEGProcess14SV1" + uid + ".4.70" + end, "lossless"},
                                                       {ct + "JPEGLSLossless" + uid + ".4.80" + end, "lossless"},
                                                       {ct + "JPEGLSLossy" + uid + ".4.81" + end, "lossy"},
                                                       {ct + "JPEGProcess1" + uid + ".4.50" + end, "bits_allocated"},
                                                       {ct + "JPEGProcess2_4" + uid + ".4.51" + end, "lossy"},
                                                       {ct + "JPEGProcess6_8" + uid + ".4.53" + end, "lossy"},
                                                       {ct + "JPEGProcess10_12" + uid + ".4.55" + end, "lossy"},
                                                       {ct + "BigEndianExplicit" + uid + ".2" + end, "big_endian"},
                                                       {ct + "DeflatedExplicitVRLittleEndian" + uid + ".1.99" + end, "deflated"},
                                                       {ct + "JPEG2000LosslessOnly" + uid + ".4.90" + end, "jpeg2000"},
                                                       {ct + "JPEG2000" + uid + ".4.91" + end, "jpeg2000"}};
  for (const auto& [name, code] : expected) {
    INFO(name);
    CHECK(outcome[name] == code);
  }
  for (const auto& pixels : lossless) CHECK(pixels == lossless.front());
  CHECK(lossless.size() == 7);
  CHECK(outcome["no-pixel-data.dcm"] == "pixel_data_absent");
  CHECK(outcome["CT1_J2KR"] == "jpeg2000");
}
#endif
