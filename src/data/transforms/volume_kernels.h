// The inner loops of what the model sees of a CT volume, in the forms of the instruction sets; all give the same values.
#pragma once

#include <cstdint>

#include "core/instruction_set.h"

namespace liere {

struct VolumeKernels {
  void (*to_float)(const int16_t* hu, int64_t count, float* out);
  /// Bilinear: out[i] of plane[offsets[i]], its right neighbour (weight x[i]) and the two `row` further on (weight y[i]), weights in [0, 1).
  void (*sample)(const int16_t* plane, const int32_t* offsets, const float* x, const float* y, int64_t row, int64_t count, float* out);
  /// out[i] = clamp((hu[i] - level) * slope, -1, 1).
  void (*window)(const float* hu, int64_t count, float level, float slope, float* out);
  /// After the last window: other threads may read what was written.
  void (*finish)();
};

const VolumeKernels& volume_kernels(InstructionSet set = instruction_set());

}  // namespace liere
