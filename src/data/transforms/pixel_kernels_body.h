// The loops of pixel_kernels.h, compiled once for each instruction set: the including file defines LIERE_PIXEL_SET (namespace). Nothing here has
// external linkage or instantiates a template that has, so that no code of one set stands in for another's.
#include <string.h>

#include "data/transforms/pixel_kernels.h"

namespace liere::LIERE_PIXEL_SET {
namespace {

[[maybe_unused]] void look_up(uint8_t* values, int64_t count, const ByteTable& table) {
  for (int64_t i = 0; i < count; ++i) values[i] = table[values[i]];
}

[[maybe_unused]] void look_up_channels(uint8_t* rgb, int64_t pixels, const ByteTable* tables) {
  for (int64_t i = 0; i < pixels * 3; i += 3)
    for (int c = 0; c < 3; ++c) rgb[i + c] = tables[c][rgb[i + c]];
}

void extremes(const uint8_t* rgb, int64_t pixels, uint8_t* low, uint8_t* high) {
  constexpr int kBlock = 192;  // whole pixels and whole vectors
  uint8_t lows[kBlock], highs[kBlock];
  memset(lows, 255, kBlock);
  memset(highs, 0, kBlock);
  const int64_t count = pixels * 3, whole = count / kBlock * kBlock;
  for (int64_t start = 0; start < whole; start += kBlock)
    for (int i = 0; i < kBlock; ++i) {
      const uint8_t p = rgb[start + i];
      lows[i] = p < lows[i] ? p : lows[i];
      highs[i] = p > highs[i] ? p : highs[i];
    }
  for (int64_t i = whole; i < count; ++i) {
    lows[i - whole] = rgb[i] < lows[i - whole] ? rgb[i] : lows[i - whole];
    highs[i - whole] = rgb[i] > highs[i - whole] ? rgb[i] : highs[i - whole];
  }
  for (int c = 0; c < 3; ++c) {
    low[c] = 255;
    high[c] = 0;
    for (int i = c; i < kBlock; i += 3) {
      low[c] = lows[i] < low[c] ? lows[i] : low[c];
      high[c] = highs[i] > high[c] ? highs[i] : high[c];
    }
  }
}

int grey(const uint8_t* pixel) { return static_cast<int>((19595u * pixel[0] + 38470u * pixel[1] + 7471u * pixel[2] + 32768u) >> 16); }

/// Factors 0 and 1 need no case of their own: the sum is then exactly D and p.
uint8_t blend(int degenerate, int value, float factor) {
  const float sum = static_cast<float>(degenerate) + factor * static_cast<float>(value - degenerate);
  const float positive = sum > 0.0f ? sum : 0.0f, clamped = positive < 255.0f ? positive : 255.0f;
  return static_cast<uint8_t>(static_cast<int>(clamped));
}

int64_t sum_of_greys(const uint8_t* rgb, int64_t pixels) {
  int64_t sum = 0;
  for (int64_t i = 0; i < pixels; ++i) sum += grey(rgb + i * 3);
  return sum;
}

void blend_with_grey(uint8_t* rgb, int64_t pixels, float factor) {
  constexpr int64_t kBlock = 256;  // a plane of greys: the blend over contiguous bytes vectorises
  uint8_t greys[kBlock * 3];
  for (int64_t start = 0; start < pixels; start += kBlock) {
    const int64_t length = pixels - start < kBlock ? pixels - start : kBlock;
    uint8_t* const values = rgb + start * 3;
    for (int64_t i = 0; i < length; ++i) {
      const auto l = static_cast<uint8_t>(grey(values + i * 3));
      greys[i * 3] = greys[i * 3 + 1] = greys[i * 3 + 2] = l;
    }
    for (int64_t i = 0; i < length * 3; ++i) values[i] = blend(greys[i], values[i], factor);
  }
}

void sharpen(const uint8_t* above, const uint8_t* row, const uint8_t* below, uint8_t* __restrict out, int64_t count, float factor) {
  constexpr int64_t kBlock = 512;
  uint8_t smooth[kBlock];
  for (int64_t start = 0; start < count; start += kBlock, above += kBlock, row += kBlock, below += kBlock, out += kBlock) {
    const int64_t length = count - start < kBlock ? count - start : kBlock;
    for (int64_t i = 0; i < length; ++i) {
      const auto total = static_cast<uint16_t>(above[i - 3] + above[i] + above[i + 3] + row[i - 3] + 5 * row[i] + row[i + 3] + below[i - 3] +
                                               below[i] + below[i + 3]);
      // total / 13 rounded; never nearer than 1/26 to a half, so Pillow's floats agree. (x 20165) >> 18 = x / 13 for x < 2^16.
      smooth[i] = static_cast<uint8_t>(static_cast<uint16_t>((static_cast<uint16_t>(total + 6) * 20165u) >> 16) >> 2);
    }
    for (int64_t i = 0; i < length; ++i) out[i] = blend(smooth[i], row[i], factor);
  }
}

[[maybe_unused]] void reverse(const uint8_t* rgb, uint8_t* out, int64_t pixels) {
  out += (pixels - 1) * 3;
  for (int64_t i = 0; i < pixels; ++i, rgb += 3, out -= 3) {
    out[0] = rgb[0];
    out[1] = rgb[1];
    out[2] = rgb[2];
  }
}

}  // namespace
}  // namespace liere::LIERE_PIXEL_SET
