// The inner loops of clip_resize.h over one row, in the forms of the instruction sets; all give the same values.
#pragma once

#include <cstdint>

#include "core/instruction_set.h"

namespace liere {

struct ClipKernels {
  /// out[c * pixels + i] = tables[c][rgb[3 i + c]].
  void (*normalize)(const uint8_t* rgb, int64_t pixels, const float* tables, float* out);
  /// out[i] = (1 - l[i]) row[first[i]] + l[i] row[second[i]].
  void (*interpolate)(const float* row, const int32_t* first, const int32_t* second, const float* l, int64_t count, float* out);
  /// out[i] = (1 - l) upper[i] + l lower[i].
  void (*blend)(const float* upper, const float* lower, float l, int64_t count, float* out);
  /// out[4 i + c] = (rgb[3 first[i] + c] w0[i] + rgb[3 second[i] + c] w1[i]) >> 4, weights of 2048. Reads a byte past a pixel; out[4 i + 3] is of no use.
  void (*interpolate_pixels)(const uint8_t* rgb, const int32_t* first, const int32_t* second, const int32_t* w0, const int32_t* w1, int64_t count, int16_t* out);
  /// out[c * plane + i] = tables[c][((w0 upper[4 i + c] >> 16) + (w1 lower[4 i + c] >> 16) + 2) >> 2] of such rows.
  void (*blend_pixels)(const int16_t* upper, const int16_t* lower, int16_t w0, int16_t w1, const float* tables, int64_t count, int64_t plane, float* out);
};

const ClipKernels& clip_kernels(InstructionSet set = instruction_set());

}  // namespace liere
