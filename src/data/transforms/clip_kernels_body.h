// The loops of clip_kernels.h, compiled once for each instruction set: the including file defines LIERE_CLIP_SET (namespace). Nothing here has external
// linkage or instantiates a template that has, so that no code of one set stands in for another's.
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

void separate(const uint8_t* __restrict rgb, int64_t pixels, int32_t* __restrict out) {
  for (int64_t i = 0; i < pixels; ++i) {
    out[i] = rgb[3 * i];
    out[pixels + i] = rgb[3 * i + 1];
    out[2 * pixels + i] = rgb[3 * i + 2];
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

void interpolate_bytes(const int32_t* __restrict row, const int32_t* __restrict first, const int32_t* __restrict second, const int32_t* __restrict w0,
                       const int32_t* __restrict w1, int64_t count, int32_t* __restrict out) {
  for (int64_t i = 0; i < count; ++i) out[i] = (row[first[i]] * w0[i] + row[second[i]] * w1[i]) >> 4;
}

void blend_bytes(const int32_t* __restrict upper, const int32_t* __restrict lower, int32_t w0, int32_t w1, const float* __restrict table, int64_t count,
                 float* __restrict out) {
  for (int64_t i = 0; i < count; ++i) {
    const int32_t value = (((w0 * upper[i]) >> 16) + ((w1 * lower[i]) >> 16) + 2) >> 2;
    out[i] = table[value < 0 ? 0 : value > 255 ? 255 : value];
  }
}

}  // namespace
}  // namespace liere::LIERE_CLIP_SET
