// PNG files, also under the name of a JPEG: every colour type becomes RGB; a box is the crop of the whole; damage is an error that names the picture.
#include <png.h>

#include <cstring>

#include "core/check.h"
#include "core/rng.h"
#include "data/decode/image.h"
#include "data/encoded_pictures.h"
#include "data/png.h"
#include "data/transforms/geometry.h"
#include "support/catch.h"
#include "support/matchers.h"

using namespace liere;
using namespace liere::test;

namespace {

bool same(const Frames& a, const Frames& b) { return a.shape() == b.shape() && std::memcmp(a.u8(), b.u8(), a.size_bytes()) == 0; }

struct PngLayout {
  int bit_depth, colour_type;
  bool interlaced = false, transparent = false;
};

constexpr int64_t kHeight = 21, kWidth = 37;

/// The sample c of pixel (x, y), of `bits` bits.
int sample(int64_t y, int64_t x, int64_t c, int bits) { return static_cast<int>((x * 1103 + y * 7919 + c * 31337 + x * y) & ((1 << bits) - 1)); }
png_color palette_colour(int i) { return {static_cast<png_byte>(i * 53), static_cast<png_byte>(255 - i), static_cast<png_byte>(i * 7 + 3)}; }
int channels_of(int colour_type) {
  return colour_type == PNG_COLOR_TYPE_RGB ? 3 : colour_type == PNG_COLOR_TYPE_RGBA ? 4 : colour_type == PNG_COLOR_TYPE_GRAY_ALPHA ? 2 : 1;
}

std::string encode(const PngLayout& layout) {
  png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, nullptr, nullptr, nullptr);
  png_infop info = png_create_info_struct(png);
  std::string bytes;
  png_set_write_fn(
      png, &bytes,
      [](png_structp p, png_bytep data, size_t size) { static_cast<std::string*>(png_get_io_ptr(p))->append(reinterpret_cast<char*>(data), size); },
      nullptr);
  png_set_IHDR(png, info, kWidth, kHeight, layout.bit_depth, layout.colour_type, layout.interlaced ? PNG_INTERLACE_ADAM7 : PNG_INTERLACE_NONE, 0, 0);
  png_set_gAMA(png, info, 0.3);
  png_color palette[256];
  png_byte alpha[] = {0, 128};
  png_color_16 transparent{};
  if (layout.colour_type == PNG_COLOR_TYPE_PALETTE) {
    for (int i = 0; i < 256; ++i) palette[i] = palette_colour(i);
    png_set_PLTE(png, info, palette, 1 << layout.bit_depth);
    if (layout.transparent) png_set_tRNS(png, info, alpha, 2, nullptr);
  } else if (layout.transparent) {
    png_set_tRNS(png, info, nullptr, 0, &transparent);
  }
  png_write_info(png, info);
  const int channels = channels_of(layout.colour_type);
  std::vector<std::vector<png_byte>> rows(kHeight, std::vector<png_byte>(kWidth * channels * 2));
  std::vector<png_bytep> pointers;
  for (int64_t y = 0; y < kHeight; ++y) {
    for (int64_t i = 0; i < kWidth * channels; ++i) {
      const int value = sample(y, i / channels, i % channels, layout.bit_depth);
      if (layout.bit_depth == 16) {
        rows[y][i * 2] = static_cast<png_byte>(value >> 8);
        rows[y][i * 2 + 1] = static_cast<png_byte>(value);
      } else {
        const int64_t bit = i * layout.bit_depth;
        rows[y][bit / 8] |= static_cast<png_byte>(value << (8 - layout.bit_depth - bit % 8));
      }
    }
    pointers.push_back(rows[y].data());
  }
  png_write_image(png, pointers.data());
  png_write_end(png, nullptr);
  png_destroy_write_struct(&png, &info);
  return bytes;
}

Frames expected_of(const PngLayout& layout) {
  Frames frames(PixelType::kU8, {1, kHeight, kWidth, 3});
  const bool colour = layout.colour_type & PNG_COLOR_MASK_COLOR;
  for (int64_t y = 0; y < kHeight; ++y)
    for (int64_t x = 0; x < kWidth; ++x)
      for (int64_t c = 0; c < 3; ++c) {
        const int value = sample(y, x, colour && layout.colour_type != PNG_COLOR_TYPE_PALETTE ? c : 0, layout.bit_depth);
        const auto entry = palette_colour(value);
        frames.u8()[(y * kWidth + x) * 3 + c] = static_cast<uint8_t>(layout.colour_type == PNG_COLOR_TYPE_PALETTE ? c == 0   ? entry.red
                                                                                                                    : c == 1 ? entry.green
                                                                                                                             : entry.blue
                                                                     : layout.bit_depth == 16                     ? value >> 8
                                                                                              : value * 255 / ((1 << layout.bit_depth) - 1));
      }
  return frames;
}

}  // namespace

TEST_CASE("every kind of PNG becomes RGB, whole and in boxes", "[png]") {
  Rng rng(1, Purpose::kShuffle, 0);
  constexpr int kGrey = PNG_COLOR_TYPE_GRAY, kRgb = PNG_COLOR_TYPE_RGB, kPalette = PNG_COLOR_TYPE_PALETTE;
  const PngLayout layouts[] = {{1, kGrey},
                               {2, kGrey},
                               {4, kGrey},
                               {8, kGrey},
                               {16, kGrey},
                               {8, kGrey, false, true},
                               {8, kRgb},
                               {16, kRgb},
                               {8, kRgb, false, true},
                               {1, kPalette},
                               {2, kPalette},
                               {4, kPalette, false, true},
                               {8, kPalette, false, true},
                               {8, PNG_COLOR_TYPE_GRAY_ALPHA},
                               {16, PNG_COLOR_TYPE_GRAY_ALPHA},
                               {8, PNG_COLOR_TYPE_RGBA},
                               {16, PNG_COLOR_TYPE_RGBA}};
  for (PngLayout layout : layouts)
    for (const bool interlaced : {false, true}) {
      layout.interlaced = interlaced;
      INFO(layout.bit_depth << " bits, colour type " << layout.colour_type << (interlaced ? ", interlaced" : ""));
      const std::string bytes = encode(layout);
      const Frames expected = expected_of(layout);
      const auto info = read_image_info(bytes, "n01_1.JPEG");
      CHECK(info.format == ImageFormat::kPng);
      CHECK((info.height == kHeight && info.width == kWidth));
      CHECK(info.components == (layout.colour_type == kPalette ? 3 : channels_of(layout.colour_type)));
      CHECK(same(decode_image(bytes, "n01_1.JPEG"), expected));
      for (int i = 0; i < 5; ++i) {
        const int64_t h = 1 + rng.integer(kHeight), w = 1 + rng.integer(kWidth);
        const Box box{rng.integer(kHeight - h + 1), rng.integer(kWidth - w + 1), h, w};
        REQUIRE(same(decode_image(bytes, "n01_1.JPEG", box), crop(expected, box)));
      }
    }
}

TEST_CASE("a truncated or damaged PNG is an error", "[png]") {
  const std::string bytes = encode_png(formula_picture(40, 50));
  for (size_t length = 8; length + 12 < bytes.size(); length += 11)
    REQUIRE_THROWS_WITH(decode_image(bytes.substr(0, length), "short.png"), has("short.png: "));
  std::string damaged = bytes;
  damaged[bytes.size() / 2] ^= 0x40;
  CHECK_THROWS_WITH(decode_image(damaged, "bad.png"), has("bad.png: the PNG cannot be decoded: "));
  CHECK_THROWS_WITH(decode_image(bytes.substr(0, bytes.size() / 2), "half.png"), has("the file ends too early"));
  CHECK_THROWS_AS(decode_image(bytes.substr(0, bytes.size() / 2), "half.png"), DataError);
}

TEST_CASE("a PNG of a size that no photograph has is refused before anything is decoded", "[png]") {
  // Headers with the checksum that belongs to them.
  const auto with_size = [](uint32_t height, uint32_t width) {
    std::string bytes = encode_png(formula_picture(8, 8));
    for (int i = 0; i < 4; ++i) {
      bytes[16 + i] = static_cast<char>(width >> (24 - 8 * i));
      bytes[20 + i] = static_cast<char>(height >> (24 - 8 * i));
    }
    uint32_t crc = ~0u;
    for (int i = 12; i < 29; ++i) {
      crc ^= static_cast<uint8_t>(bytes[i]);
      for (int bit = 0; bit < 8; ++bit) crc = crc & 1 ? crc >> 1 ^ 0xedb88320u : crc >> 1;
    }
    for (int i = 0; i < 4; ++i) bytes[29 + i] = static_cast<char>(~crc >> (24 - 8 * i));
    return bytes;
  };
  CHECK(read_image_info(with_size(9, 8), "a.png").height == 9);
  CHECK_THROWS_WITH(read_image_info(with_size(65500, 65500), "bomb.png"), has("at most 178956970 pixels, found 65500x65500"));
  CHECK_THROWS_WITH(read_image_info(with_size(0x7fffffff, 0x7fffffff), "bomb.png"), has("bomb.png: "));
  CHECK_THROWS_WITH(decode_image(with_size(13000, 13000), "bomb.png"), has("bytes cannot hold"));
}
