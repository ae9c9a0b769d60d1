// The forms of the colour operations' loops agree with their definitions at every length; affine maps with the map applied pixel by pixel.
#include "data/transforms/pixel_kernels.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "core/rng.h"
#include "data/transforms/geometry.h"
#include "support/catch.h"

using namespace liere;

namespace {

std::vector<uint8_t> noise(int64_t count, Rng& rng) {
  std::vector<uint8_t> bytes(count);
  for (auto& byte : bytes) byte = static_cast<uint8_t>(rng.integer(256));
  return bytes;
}

int grey(const uint8_t* p) { return (19595 * p[0] + 38470 * p[1] + 7471 * p[2] + 32768) >> 16; }

uint8_t blended(int degenerate, int value, float factor) {
  const volatile float product = factor * static_cast<float>(value - degenerate);  // rounded by itself
  return static_cast<uint8_t>(std::clamp(static_cast<float>(degenerate) + product, 0.0f, 255.0f));
}

const InstructionSet kSets[] = {InstructionSet::kBaseline, InstructionSet::kAvx2, InstructionSet::kAvx512};

}  // namespace

TEST_CASE("the loops over pixels do what they say in every form", "[kernels]") {
  Rng rng(1, Purpose::kShuffle, 0);
  for (const auto set : kSets) {
    const auto& kernels = pixel_kernels(set);
    for (int64_t pixels : {1, 2, 5, 15, 16, 17, 21, 22, 64, 85, 300, 1000}) {
      INFO(name_of(set) << ", " << pixels << " pixels");
      const auto rgb = noise(pixels * 3, rng);
      const auto tables = noise(3 * 256, rng);
      const auto* const table = reinterpret_cast<const ByteTable*>(tables.data());
      const auto behind = noise(64, rng);  // must stay as it is
      const auto with_behind = [&] {
        auto bytes = rgb;
        bytes.insert(bytes.end(), behind.begin(), behind.end());
        return bytes;
      };
      auto looked_up = with_behind(), by_channel = with_behind(), blend = with_behind(), reversed = with_behind();
      const float factor = static_cast<float>(rng.uniform() * 2);
      kernels.look_up(looked_up.data(), pixels * 3, table[0]);
      kernels.look_up_channels(by_channel.data(), pixels, table);
      kernels.blend_with_grey(blend.data(), pixels, factor);
      kernels.reverse(rgb.data(), reversed.data(), pixels);
      uint8_t low[3], high[3], expected_low[3] = {255, 255, 255}, expected_high[3] = {0, 0, 0};
      kernels.extremes(rgb.data(), pixels, low, high);
      int64_t sum = 0;
      auto expected_up = with_behind(), expected_channel = with_behind(), expected_blend = with_behind(), expected_reversed = with_behind();
      for (int64_t i = 0; i < pixels; ++i) {
        const int l = grey(rgb.data() + i * 3);
        sum += l;
        for (int c = 0; c < 3; ++c) {
          const uint8_t p = rgb[i * 3 + c];
          expected_up[i * 3 + c] = table[0][p];
          expected_channel[i * 3 + c] = table[c][p];
          expected_blend[i * 3 + c] = blended(l, p, factor);
          expected_reversed[(pixels - 1 - i) * 3 + c] = p;
          expected_low[c] = std::min(expected_low[c], p);
          expected_high[c] = std::max(expected_high[c], p);
        }
      }
      CHECK(looked_up == expected_up);
      CHECK(by_channel == expected_channel);
      CHECK(blend == expected_blend);
      CHECK(reversed == expected_reversed);
      CHECK(kernels.sum_of_greys(rgb.data(), pixels) == sum);
      CHECK(std::memcmp(low, expected_low, 3) == 0);
      CHECK(std::memcmp(high, expected_high, 3) == 0);
    }
  }
}

TEST_CASE("the smoothed value is exact for every sum", "[kernels]") {
  // T = 5 centre + eight neighbours runs over 0..3315.
  for (const auto set : kSets)
    for (int total = 0; total <= 13 * 255; ++total) {
      uint8_t rows[3][9];
      int left = total;
      const auto take = [&](int weight) {
        const int value = std::min(255, left / weight);
        left -= value * weight;
        return static_cast<uint8_t>(value);
      };
      std::memset(rows, 0, sizeof rows);
      rows[1][3] = take(5);
      for (auto& row : rows)
        for (int x : {0, 3, 6})
          if (&row != &rows[1] || x != 3) row[x] = take(1);
      REQUIRE(left == 0);
      uint8_t out;
      pixel_kernels(set).sharpen(rows[0] + 3, rows[1] + 3, rows[2] + 3, &out, 1, 0.0f);  // factor 0: the smoothed value itself
      REQUIRE(out == (2 * total + 13) / 26);
    }
}

TEST_CASE("sharpness in every form over rows of all lengths", "[kernels]") {
  Rng rng(2, Purpose::kShuffle, 0);
  for (int64_t pixels : {1, 7, 64, 170, 171, 400}) {
    const int64_t width = pixels + 2, count = pixels * 3;
    const auto rows = noise(width * 9, rng);
    const uint8_t* const row = rows.data() + width * 3 + 3;
    const float factor = static_cast<float>(rng.uniform() * 2);
    for (const auto set : kSets) {
      std::vector<uint8_t> out(count + 1, 77);
      pixel_kernels(set).sharpen(row - width * 3, row, row + width * 3, out.data(), count, factor);
      CHECK(out.back() == 77);
      for (int64_t i = 0; i < count; ++i) {
        int total = 4 * row[i];
        for (int dy = -1; dy <= 1; ++dy)
          for (int dx = -1; dx <= 1; ++dx) total += row[i + dy * width * 3 + dx * 3];
        REQUIRE(out[i] == blended((2 * total + 13) / 26, row[i], factor));
      }
    }
  }
}

TEST_CASE("affine maps equal the map applied to each pixel", "[kernels]") {
  Rng rng(3, Purpose::kShuffle, 0);
  const auto fixed = [](double value) { return static_cast<int64_t>(std::floor(value * 65536.0 + 0.5)); };
  for (int i = 0; i < 300; ++i) {
    const int64_t height = 1 + rng.integer(30), width = 1 + rng.integer(30);
    Frames frames(PixelType::kU8, {1, height, width, 3});
    for (size_t k = 0; k < frames.size_bytes(); ++k) frames.u8()[k] = static_cast<uint8_t>(rng.integer(256));
    AffineMatrix a{1, 0, 0, 0, 1, 0};
    const auto draw = [&](double range) { return (rng.uniform() * 2 - 1) * range; };
    switch (i % 5) {
      case 0:
        a[1] = draw(0.5);
        break;
      case 1:
        a[3] = draw(0.5);
        break;
      case 2:
        a = {draw(1.5), draw(1.5), draw(40), draw(1.5), draw(1.5), draw(40)};
        break;
      case 3:
        a = rotation_matrix(draw(180), height, width);
        break;
      default:
        a = {0, draw(1), draw(20), draw(1), 0, draw(20)};
    }
    if (a[1] == 0 && a[3] == 0) continue;  // another rule
    const Rgb fill{1, 2, 3};
    const Frames found = affine_nearest(frames, a, fill);
    const int64_t x0 = fixed((a[2] + a[0] * 0.5) + a[1] * 0.5), y0 = fixed((a[5] + a[3] * 0.5) + a[4] * 0.5);
    for (int64_t y = 0; y < height; ++y)
      for (int64_t x = 0; x < width; ++x) {
        const int64_t column = (x0 + y * fixed(a[1]) + x * fixed(a[0])) >> 16, row = (y0 + y * fixed(a[4]) + x * fixed(a[3])) >> 16;
        const bool in = column >= 0 && column < width && row >= 0 && row < height;
        const uint8_t filled[3] = {fill.red, fill.green, fill.blue};
        REQUIRE(std::memcmp(found.u8() + (y * width + x) * 3, in ? frames.u8() + (row * width + column) * 3 : filled, 3) == 0);
      }
  }
}

TEST_CASE("translations equal the map applied to each pixel", "[kernels]") {
  Rng rng(4, Purpose::kShuffle, 0);
  for (int i = 0; i < 300; ++i) {
    const int64_t height = 1 + rng.integer(20), width = 1 + rng.integer(20);
    Frames frames(PixelType::kU8, {1, height, width, 3});
    for (size_t k = 0; k < frames.size_bytes(); ++k) frames.u8()[k] = static_cast<uint8_t>(rng.integer(256));
    const bool scaled = i % 4 == 0;
    const AffineMatrix a{scaled ? 0.5 + rng.uniform() : 1, 0, (rng.uniform() * 2 - 1) * 25, 0, scaled ? 0.5 + rng.uniform() : 1,
                         (rng.uniform() * 2 - 1) * 25};
    const Frames found = affine_nearest(frames, a, {9, 8, 7});
    const auto index = [](double offset, double step, int64_t at, int64_t size) {
      double position = offset + step * 0.5;
      for (int64_t k = 0; k < at; ++k) position += step;
      return position < 0 || position >= static_cast<double>(size) ? -1 : static_cast<int64_t>(position);
    };
    for (int64_t y = 0; y < height; ++y)
      for (int64_t x = 0; x < width; ++x) {
        const int64_t column = index(a[2], a[0], x, width), row = index(a[5], a[4], y, height);
        const uint8_t filled[3] = {9, 8, 7};
        REQUIRE(std::memcmp(found.u8() + (y * width + x) * 3, column >= 0 && row >= 0 ? frames.u8() + (row * width + column) * 3 : filled, 3) == 0);
      }
  }
}
