// The loops of clip_kernels.h, compiled once for each instruction set: the including file defines LIERE_CLIP_SET (namespace). Nothing here has external
// linkage or instantiates a template that has, so that no code of one set stands in for another's.
#include <string.h>

#include "data/transforms/clip_kernels.h"

namespace liere::LIERE_CLIP_SET {
namespace {

void normalize(const uint8_t* __restrict rgb, int64_t pixels, const float* __restrict tables, float* __restrict out) {
  for (int64_t i = 0; i < pixels; ++i) {
    out[i] = tables[rgb[3 * i]];
    out[pixels + i] = tables[256 + rgb[3 * i + 1]];
    out[2 * pixels + i] = tables[512 + rgb[3 * i + 2]];
  }
}

void interpolate(const float* __restrict row, const int32_t* __restrict first, const int32_t* __restrict second, const float* __restrict l, int64_t count,
                 float* __restrict out) {
  for (int64_t i = 0; i < count; ++i) out[i] = (1.0f - l[i]) * row[first[i]] + l[i] * row[second[i]];
}

void blend(const float* __restrict upper, const float* __restrict lower, float l, int64_t count, float* __restrict out) {
  const float rest = 1.0f - l;
  for (int64_t i = 0; i < count; ++i) out[i] = rest * upper[i] + l * lower[i];
}

typedef uint8_t Byte4 __attribute__((vector_size(4)));
typedef int16_t Short4 __attribute__((vector_size(8)));
typedef int32_t Int4 __attribute__((vector_size(16)));

inline __attribute__((always_inline)) Int4 pixel(const uint8_t* rgb) {
  Byte4 bytes;
  memcpy(&bytes, rgb, 4);
  return __builtin_convertvector(bytes, Int4);
}

void interpolate_pixels(const uint8_t* __restrict rgb, const int32_t* __restrict first, const int32_t* __restrict second, const int32_t* __restrict w0,
                        const int32_t* __restrict w1, int64_t count, int16_t* __restrict out) {
  for (int64_t i = 0; i < count; ++i) {
    const Short4 values = __builtin_convertvector((pixel(rgb + 3 * first[i]) * w0[i] + pixel(rgb + 3 * second[i]) * w1[i]) >> 4, Short4);
    memcpy(out + 4 * i, &values, 8);
  }
}

void blend_pixels(const int16_t* __restrict upper, const int16_t* __restrict lower, int16_t w0, int16_t w1, const float* __restrict tables, int64_t count,
                  int64_t plane, float* __restrict out) {
  constexpr int64_t kBlock = 64;  // pixels; the looking up stays apart from what vectorises
  uint8_t bytes[kBlock * 4];
  for (int64_t start = 0; start < count; start += kBlock) {
    const int64_t length = count - start < kBlock ? count - start : kBlock;
    const int16_t *const above = upper + start * 4, *const below = lower + start * 4;
    for (int64_t i = 0; i < length * 4; ++i) {
      // At most 255: weights sum to 2048 and each product is cut.
      const auto high = static_cast<int16_t>((above[i] * w0) >> 16), low = static_cast<int16_t>((below[i] * w1) >> 16);
      bytes[i] = static_cast<uint8_t>(static_cast<uint16_t>(high + low + 2) >> 2);
    }
    for (int64_t i = 0; i < length; ++i) {
      uint32_t word;
      memcpy(&word, bytes + 4 * i, 4);
      float* const to = out + start + i;
      to[0] = tables[word & 255];
      to[plane] = tables[256 + (word >> 8 & 255)];
      to[2 * plane] = tables[512 + (word >> 16 & 255)];
    }
  }
}

}  // namespace
}  // namespace liere::LIERE_CLIP_SET
