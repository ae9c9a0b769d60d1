// Contact sheets: where each sample's pixels and caption are.
#include "data/browse.h"

#include "core/check.h"
#include "support/matchers.h"

using namespace liere;
using test::has;

namespace {

Frames filled(FrameShape shape, uint8_t value) {
  Frames frames(PixelType::kU8, shape);
  std::fill_n(frames.u8(), frames.size_bytes(), value);
  return frames;
}

/// Pixels of the sheet that are `value` in all three channels.
int64_t count_of(const Frames& sheet, uint8_t value) {
  int64_t count = 0;
  for (int64_t i = 0; i < sheet.shape().height * sheet.shape().width; ++i)
    count += sheet.u8()[3 * i] == value && sheet.u8()[3 * i + 1] == value && sheet.u8()[3 * i + 2] == value;
  return count;
}

}  // namespace

TEST_CASE("a contact sheet magnifies each sample and writes its caption") {
  const std::vector<Frames> samples = {filled({1, 32, 32, 3}, 101), filled({1, 32, 32, 1}, 102), filled({1, 16, 20, 3}, 103)};
  const Frames sheet = contact_sheet(samples, {"apple", "pear", "plum"}, 2, 4);
  CHECK(sheet.shape() == FrameShape{1, 2 * (128 + 20 + 12) + 12, 2 * (128 + 12) + 12, 3});
  const Frames bare = contact_sheet(samples, {"", "", ""}, 2, 4);
  CHECK(bare.shape() == sheet.shape());
  CHECK(count_of(bare, 101) == 128 * 128);
  CHECK(count_of(bare, 102) == 128 * 128);
  CHECK(count_of(bare, 103) == 64 * 80);
  CHECK(count_of(bare, 255) > count_of(sheet, 255) + 50);  // the captions' ink
  CHECK(contact_sheet(samples, {"a", "b", "c"}, 8, 4).shape().width == 3 * (128 + 12) + 12);
}

TEST_CASE("a clip shows its middle frame") {
  Frames clip = filled({3, 8, 8, 3}, 10);
  std::fill_n(clip.u8() + 8 * 8 * 3, 8 * 8 * 3, 77);
  CHECK(count_of(contact_sheet({clip}, {""}, 1, 2), 77) == 16 * 16);
}

TEST_CASE("a film strip shows every frame of a clip, shrunk") {
  Frames clip = filled({3, 40, 80, 3}, 10);
  for (uint8_t t = 0; t < 3; ++t) std::fill_n(clip.u8() + t * 40 * 80 * 3, 40 * 80 * 3, static_cast<uint8_t>(70 + t));
  const Frames strip = film_strip(clip, 20);
  CHECK(strip.shape() == FrameShape{1, 10, 3 * 20 + 2 * 2, 3});
  for (uint8_t t = 0; t < 3; ++t) CHECK(count_of(strip, static_cast<uint8_t>(70 + t)) == 10 * 20);
  CHECK(film_strip(clip).shape() == FrameShape{1, 40, 3 * 80 + 4, 3});  // small ones stay as they are
}

TEST_CASE("pixels become squares of the magnification") {
  Frames picture = filled({1, 2, 2, 3}, 0);
  std::fill_n(picture.u8() + 3, 3, 200);  // top right
  const Frames sheet = contact_sheet({picture}, {""}, 1, 3);
  const auto at = [&](int64_t y, int64_t x) { return int(sheet.u8()[((12 + y) * sheet.shape().width + 12 + x) * 3]); };
  CHECK(at(0, 2) == 0);
  CHECK(at(0, 3) == 200);
  CHECK(at(2, 5) == 200);
  CHECK(at(3, 5) == 0);
  CHECK(at(0, 6) == 255);
}

TEST_CASE("what cannot be shown is an error") {
  CHECK_THROWS_AS(contact_sheet({}, {}, 4, 1), DataError);
  CHECK_THROWS_AS(contact_sheet({filled({1, 4, 4, 3}, 0)}, {}, 4, 1), DataError);
  CHECK_THROWS_WITH(contact_sheet({Frames(PixelType::kF32, {1, 4, 4, 3})}, {"volume"}, 4, 1), has("volume"));
}

TEST_CASE("small pictures are magnified to a visible size") {
  CHECK(magnification({1, 32, 32, 3}, 160) == 5);
  CHECK(magnification({1, 108, 108, 3}, 160) == 2);
  CHECK(magnification({1, 500, 300, 3}, 160) == 1);
}
