// A contact sheet of a volume: its marks follow the orientation, its window turns air black and bone white; a series of ../shared is drawn where
// LIERE_SHEET names a file.
#include "data/volumes/contact_sheet.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <iostream>

#include "core/check.h"
#include "core/files.h"
#include "data/dicom/series.h"
#include "data/png.h"
#include "support/catch.h"
#include "support/fixtures.h"

using namespace liere;

namespace {

CtVolume made_volume() {
  CtVolume volume;
  volume.hu = Frames(PixelType::kI16, {3, 20, 20, 1});
  std::fill_n(volume.hu.i16(), volume.hu.shape().elements(), int16_t(-1000));
  for (int z = 0; z < 3; ++z)
    for (int x = 10; x < 20; ++x)
      for (int y = 0; y < 20; ++y) volume.hu.i16()[(z * 20 + y) * 20 + x] = 1000;  // the right half of the picture is bone
  volume.spacing_mm = {5, 1, 1};
  volume.orientation = {1, 0, 0, 0, 1, 0};
  return volume;
}

const uint8_t* pixel(const Frames& sheet, int64_t y, int64_t x) { return sheet.u8() + (y * sheet.shape().width + x) * 3; }

}  // namespace

TEST_CASE("directions in the patient have their letters") {
  CHECK(direction_letter(1, 0, 0) == 'L');
  CHECK(direction_letter(-1, 0.2, 0) == 'R');
  CHECK(direction_letter(0, 1, -0.1) == 'P');
  CHECK(direction_letter(0, -1, 0) == 'A');
  CHECK(direction_letter(0, 0.3, 0.9) == 'H');
  CHECK(direction_letter(0, 0, -1) == 'F');
}

TEST_CASE("a contact sheet shows air black and bone white on its side, and marks that turn with the orientation") {
  auto volume = made_volume();
  const auto sheet = contact_sheet(volume);
  CHECK(sheet.shape() == FrameShape{1, 2 * 252 + 8, 4 * 232 + 8, 3});
  // The first tile begins at (8, 8); looked at away from marks and bar.
  CHECK(pixel(sheet, 8 + 60, 8 + 60)[0] == 0);
  CHECK(pixel(sheet, 8 + 60, 8 + 160)[0] == 255);
  const auto marks = [](const Frames& picture, int64_t left) {  // the yellow pixels of a side's letter
    std::vector<std::pair<int64_t, int64_t>> found;
    for (int64_t y = 100; y < 130; ++y)
      for (int64_t x = left; x < left + 14; ++x)
        if (pixel(picture, y, x)[0] > 200 && pixel(picture, y, x)[2] < 100) found.emplace_back(y, x - left);
    return found;
  };
  const auto right_letter = marks(sheet, 8);
  CHECK(right_letter.size() > 5);
  volume.orientation = {-1, 0, 0, 0, 1, 0};
  const auto turned = contact_sheet(volume);
  CHECK(marks(turned, 8) != right_letter);
  volume.orientation = {1, 0, 0, 0, 0, -1};
  CHECK(marks(contact_sheet(volume), 8) == right_letter);
  volume.spacing_mm[0] = 0;
  CHECK_THROWS_AS(contact_sheet(volume), DataError);
  CHECK_THROWS_AS(contact_sheet(CtVolume{}), DataError);
}

#ifdef LIERE_DICOM
TEST_CASE("the complete series of RSNA 2019 is the volume that pydicom and numpy make") {
  namespace fs = std::filesystem;
  const auto archive = test::shared_folder() / "data/rsna/series_ID_e17326e0bd.tar.xz";
  const test::TemporaryFolder folder;
  if (!fs::exists(archive) || std::system(("tar -xJf '" + archive.string() + "' -C '" + folder.path().string() + "' 2>/dev/null").c_str()) != 0) {
    std::cout << "skipped: " << archive << " is not there, or tar does not unpack it\n";
    return;
  }
  std::vector<DicomEntry> entries;
  for (const auto& file : fs::recursive_directory_iterator(folder.path()))
    if (file.path().extension() == ".dcm") entries.push_back({file.path().filename().string(), [path = file.path()] { return read_file(path); }});
  const auto volume = read_series(entries);
  CHECK(volume.hu.shape() == FrameShape{36, 512, 512, 1});
  CHECK(volume.slice_names.front() == "ID_47cb66839");
  CHECK(volume.slice_names.back() == "ID_40a6d2d77");
  CHECK(std::abs(volume.spacing_mm[0] - 4.999863132) < 1e-8);
  CHECK(volume.spacing_mm[1] == 0.488281);
  REQUIRE(volume.findings.size() == 1);
  CHECK(volume.findings[0].code == "tilt");
  int64_t sum = 0, squares = 0, air = 0, middle = 0;
  const int16_t* hu = volume.hu.i16();
  for (int64_t i = 0; i < volume.hu.shape().elements(); ++i) sum += hu[i], squares += int64_t(hu[i]) * hu[i], air += hu[i] == -1024;
  for (int64_t i = 0; i < 512 * 512; ++i) middle += hu[18 * 512 * 512 + i];
  CHECK(sum == -5242419257);
  CHECK(squares == 6383131984605);
  CHECK(air == 2010812);
  CHECK(middle == -117948797);
  CHECK(*std::max_element(hu, hu + volume.hu.shape().elements()) == 2067);
  if (const char* file = std::getenv("LIERE_SHEET")) write_png(file, contact_sheet(volume));
}
#endif
