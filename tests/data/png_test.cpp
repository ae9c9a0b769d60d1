// PNG files, read back with libpng.
#include "data/png.h"

#include <png.h>

#include <cstring>

#include "core/check.h"
#include "core/files.h"
#include "support/matchers.h"
#include "support/fixtures.h"

using namespace liere;
using test::has;

namespace {

Frames pattern(int64_t height, int64_t width, int64_t channels) {
  Frames frames(PixelType::kU8, {1, height, width, channels});
  for (size_t i = 0; i < frames.size_bytes(); ++i) frames.u8()[i] = static_cast<uint8_t>(i * 37 + i / 256);
  return frames;
}

Frames read_back(const std::string& bytes, int64_t channels) {
  png_image image{};
  image.version = PNG_IMAGE_VERSION;
  REQUIRE(png_image_begin_read_from_memory(&image, bytes.data(), bytes.size()) != 0);
  CHECK(image.format == (channels == 3 ? PNG_FORMAT_RGB : PNG_FORMAT_GRAY));
  Frames frames(PixelType::kU8, {1, image.height, image.width, channels});
  REQUIRE(png_image_finish_read(&image, nullptr, frames.u8(), 0, nullptr) != 0);
  return frames;
}

}  // namespace

TEST_CASE("a PNG holds the pixels that were written") {
  test::TemporaryFolder folder;
  for (const int64_t channels : {1, 3}) {
    const Frames frames = pattern(19, 33, channels);
    write_png(folder.path() / "picture.png", frames);
    const Frames back = read_back(read_file(folder.path() / "picture.png"), channels);
    REQUIRE(back.shape() == frames.shape());
    CHECK(std::memcmp(back.u8(), frames.u8(), frames.size_bytes()) == 0);
  }
  CHECK(std::distance(std::filesystem::directory_iterator(folder.path()), {}) == 1);  // nothing temporary stays
}

TEST_CASE("frames that are no 8-bit picture are refused") {
  CHECK_THROWS_WITH(encode_png(pattern(4, 4, 2)), has("2 channels"));
  CHECK_THROWS_AS(encode_png(Frames(PixelType::kF32, {1, 4, 4, 3})), DataError);
  CHECK_THROWS_AS(encode_png(Frames(PixelType::kU8, {2, 4, 4, 3})), DataError);
  CHECK_THROWS_AS(encode_png(Frames()), DataError);
}

TEST_CASE("a PNG that cannot be written names its path") {
  test::TemporaryFolder folder;
  CHECK_THROWS_WITH(write_png(folder.path() / "absent/picture.png", pattern(4, 4, 3)), has("absent/picture.png"));
}
