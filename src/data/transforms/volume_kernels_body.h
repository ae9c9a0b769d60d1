// The loops of volume_kernels.h, compiled once for each instruction set: the including file defines LIERE_VOLUME_SET (namespace). Nothing here has
// external linkage or instantiates a template that has, so that no code of one set stands in for another's.
#include "data/transforms/volume_kernels.h"

namespace liere::LIERE_VOLUME_SET {
namespace {

void to_float(const int16_t* __restrict hu, int64_t count, float* __restrict out) {
  for (int64_t i = 0; i < count; ++i) out[i] = static_cast<float>(hu[i]);
}

void sample(const int16_t* __restrict plane, const int32_t* __restrict offsets, const float* __restrict x, const float* __restrict y, int64_t row,
            int64_t count, float* __restrict out) {
  constexpr int64_t kBlock = 64;  // the looking up stays apart from what vectorises
  int16_t taps[4][kBlock];
  for (int64_t start = 0; start < count; start += kBlock) {
    const int64_t length = count - start < kBlock ? count - start : kBlock;
    for (int64_t i = 0; i < length; ++i) {
      const int16_t* const at = plane + offsets[start + i];
      taps[0][i] = at[0];
      taps[1][i] = at[1];
      taps[2][i] = at[row];
      taps[3][i] = at[row + 1];
    }
    for (int64_t i = 0; i < length; ++i) {
      const float a = taps[0][i], b = taps[1][i], c = taps[2][i], d = taps[3][i], dx = x[start + i];
      const float upper = a + (b - a) * dx, lower = c + (d - c) * dx;
      out[start + i] = upper + (lower - upper) * y[start + i];
    }
  }
}

void window(const float* __restrict hu, int64_t count, float low, float width, float* __restrict out) {
  for (int64_t i = 0; i < count; ++i) {
    float value = (hu[i] - low) / width;
    value = value < 0.0f ? 0.0f : value;
    value = value > 1.0f ? 1.0f : value;
    out[i] = (value - 0.5f) / 0.5f;
  }
}

}  // namespace
}  // namespace liere::LIERE_VOLUME_SET
