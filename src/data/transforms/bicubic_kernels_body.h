// The loops of bicubic_kernels.h, compiled once for each instruction set: the including file defines LIERE_BICUBIC_SET (namespace). Nothing here has
// external linkage or instantiates a template that has, so that no code of one set stands in for another's. Vectors of GCC and Clang: 8 lanes are two
// rows of one pixel (red, green, blue and a byte of the next), 4 lanes one row.
#include <string.h>

#include "data/transforms/bicubic_kernels.h"

namespace liere::LIERE_BICUBIC_SET {
namespace {

typedef uint8_t Byte4 __attribute__((vector_size(4)));
typedef uint8_t Byte8 __attribute__((vector_size(8)));
typedef int32_t Int4 __attribute__((vector_size(16)));
typedef int32_t Int8 __attribute__((vector_size(32)));
typedef double Double4 __attribute__((vector_size(32)));
typedef double Double8 __attribute__((vector_size(64)));

/// Two rows' values of one pixel.
inline __attribute__((always_inline)) Int8 two_rows(const uint8_t* upper, const uint8_t* lower) {
  uint32_t words[2];
  memcpy(words, upper, 4);
  memcpy(words + 1, lower, 4);
  Byte8 bytes;
  memcpy(&bytes, words, 8);
  return __builtin_convertvector(bytes, Int8);
}

/// The kernel over whole numbers: its three sums are exact in either type.
inline __attribute__((always_inline)) Double8 cubic(Int8 v1, Int8 v2, Int8 v3, Int8 v4, double d) {
  const Double8 p1 = __builtin_convertvector(v2, Double8), p2 = __builtin_convertvector(v3 - v1, Double8),
                p3 = __builtin_convertvector(2 * (v1 - v2) + v3 - v4, Double8), p4 = __builtin_convertvector(v2 - v1 - v3 + v4, Double8);
  return p1 + d * (p2 + d * (p3 + d * p4));
}

void pixels(const uint8_t* frame, int64_t origin, int64_t stride, const int32_t* columns, const int32_t* rows, const double* dx, const double* dy,
            int64_t count, uint8_t* out) {
  for (int64_t i = 0; i < count; ++i, out += 3) {
    const uint8_t* const at = frame + (origin + (rows[i] - 1) * stride + (columns[i] - 1) * 3);
    const double d = dy[i];
    const uint8_t *const r1 = at + stride, *const r2 = r1 + stride, *const r3 = r2 + stride;
    const Double8 upper = cubic(two_rows(at, r1), two_rows(at + 3, r1 + 3), two_rows(at + 6, r1 + 6), two_rows(at + 9, r1 + 9), dx[i]);
    const Double8 lower = cubic(two_rows(r2, r3), two_rows(r2 + 3, r3 + 3), two_rows(r2 + 6, r3 + 6), two_rows(r2 + 9, r3 + 9), dx[i]);
    const Double4 v1 = __builtin_shufflevector(upper, upper, 0, 1, 2, 3), v2 = __builtin_shufflevector(upper, upper, 4, 5, 6, 7),
                  v3 = __builtin_shufflevector(lower, lower, 0, 1, 2, 3), v4 = __builtin_shufflevector(lower, lower, 4, 5, 6, 7);
    Double4 v = v2 + d * ((-v1 + v3) + d * ((2.0 * (v1 - v2) + v3 - v4) + d * (-v1 + v2 - v3 + v4)));
    v = v > 0.0 ? v : Double4{};
    v = v < 255.0 ? v : Double4{} + 255.0;
    const Byte4 bytes = __builtin_convertvector(__builtin_convertvector(v, Int4), Byte4);
    memcpy(out, &bytes, 3);
  }
}

inline __attribute__((always_inline)) double cubic_value(double v1, double v2, double v3, double v4, double d) {
  return v2 + d * ((-v1 + v3) + d * ((2.0 * (v1 - v2) + v3 - v4) + d * (-v1 + v2 - v3 + v4)));
}

void line(const uint8_t* const* taps, const double* d, int64_t count, uint8_t* out) {
  int64_t i = 0;
  for (; i + 8 <= count; i += 8) {
    Byte8 bytes[4];
    Int8 v[4];
    for (int k = 0; k < 4; ++k) {
      memcpy(&bytes[k], taps[k] + i, 8);
      v[k] = __builtin_convertvector(bytes[k], Int8);
    }
    Double8 distance;
    memcpy(&distance, d + i, sizeof distance);
    const Double8 p2 = __builtin_convertvector(v[2] - v[0], Double8), p3 = __builtin_convertvector(2 * (v[0] - v[1]) + v[2] - v[3], Double8),
                  p4 = __builtin_convertvector(v[1] - v[0] - v[2] + v[3], Double8);
    Double8 value = __builtin_convertvector(v[1], Double8) + distance * (p2 + distance * (p3 + distance * p4));
    value = value > 0.0 ? value : Double8{};
    value = value < 255.0 ? value : Double8{} + 255.0;
    const Byte8 result = __builtin_convertvector(__builtin_convertvector(value, Int8), Byte8);
    memcpy(out + i, &result, 8);
  }
  for (; i < count; ++i) {
    const double value = cubic_value(taps[0][i], taps[1][i], taps[2][i], taps[3][i], d[i]);
    out[i] = value <= 0 ? 0 : value >= 255 ? 255 : static_cast<uint8_t>(value);
  }
}

}  // namespace
}  // namespace liere::LIERE_BICUBIC_SET
