// The inner loops of affine_bicubic.h in the forms of the instruction sets; all give the same bytes.
#pragma once

#include <cstdint>

#include "core/instruction_set.h"

namespace liere {

struct BicubicKernels {
  /// out[i] = c(taps[0][i], .., taps[3][i], d[i]), clamped and cut.
  void (*line)(const uint8_t* const* taps, const double* d, int64_t count, uint8_t* out);
  /// `count` pixels: taps of pixel i about row rows[i], column columns[i] of a picture whose first pixel is `origin` bytes from
  /// `frame` (negative where only a part is held), `stride` bytes a row. Reads a byte past the fourth column's pixel.
  void (*pixels)(const uint8_t* frame, int64_t origin, int64_t stride, const int32_t* columns, const int32_t* rows, const double* dx, const double* dy,
                 int64_t count, uint8_t* out);
};

const BicubicKernels& bicubic_kernels(InstructionSet set = instruction_set());

}  // namespace liere
