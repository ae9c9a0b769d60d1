// The loops of volume_kernels.h, compiled once for each instruction set: the including file defines LIERE_VOLUME_SET (namespace) and, where the
// processor writes past its caches, LIERE_VOLUME_STREAM (a store of LIERE_VOLUME_LANES floats) and LIERE_VOLUME_FENCE. Nothing here has external
// linkage or instantiates a template that has, so that no code of one set stands in for another's.
#include <string.h>

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

inline __attribute__((always_inline)) float ramp(float hu, float level, float slope) {
  float value = (hu - level) * slope;
  value = value < -1.0f ? -1.0f : value;
  return value > 1.0f ? 1.0f : value;
}

// What is written here is larger than the caches and read much later: fetching its lines before they are overwritten would double the traffic.
void window(const float* __restrict hu, int64_t count, float level, float slope, float* __restrict out) {
  int64_t i = 0;
#ifdef LIERE_VOLUME_STREAM
  typedef float Vector __attribute__((vector_size(LIERE_VOLUME_LANES * 4)));
  for (; i < count && reinterpret_cast<uintptr_t>(out + i) % sizeof(Vector) != 0; ++i) out[i] = ramp(hu[i], level, slope);
  const Vector black = Vector{} - 1.0f, white = Vector{} + 1.0f;
  for (; i + LIERE_VOLUME_LANES <= count; i += LIERE_VOLUME_LANES) {
    Vector value;
    memcpy(&value, hu + i, sizeof(value));
    value = (value - level) * slope;
    value = value < black ? black : value;
    LIERE_VOLUME_STREAM(out + i, value > white ? white : value);
  }
#endif
  for (; i < count; ++i) out[i] = ramp(hu[i], level, slope);
}

void finish() {
#ifdef LIERE_VOLUME_STREAM
  LIERE_VOLUME_FENCE();
#endif
}

}  // namespace
}  // namespace liere::LIERE_VOLUME_SET
