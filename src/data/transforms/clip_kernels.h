// The inner loops of clip_resize.h over one row, in the forms of the instruction sets; all give the same values.
#pragma once

#include <cstdint>

#include "core/instruction_set.h"

namespace liere {

struct ClipKernels {
  /// out[c * pixels + i] = tables[c][rgb[3 i + c]].
  void (*normalize)(const uint8_t* rgb, int64_t pixels, const float* tables, float* out);
  /// out[c * pixels + i] = rgb[3 i + c].
  void (*separate)(const uint8_t* rgb, int64_t pixels, int32_t* out);
  /// out[i] = (1 - l[i]) row[first[i]] + l[i] row[second[i]].
  void (*interpolate)(const float* row, const int32_t* first, const int32_t* second, const float* l, int64_t count, float* out);
  /// out[i] = (1 - l) upper[i] + l lower[i].
  void (*blend)(const float* upper, const float* lower, float l, int64_t count, float* out);
  /// out[i] = (row[first[i]] w0[i] + row[second[i]] w1[i]) >> 4.
  void (*interpolate_bytes)(const int32_t* row, const int32_t* first, const int32_t* second, const int32_t* w0, const int32_t* w1, int64_t count, int32_t* out);
  /// out[i] = table[byte(((w0 upper[i] >> 16) + (w1 lower[i] >> 16) + 2) >> 2)].
  void (*blend_bytes)(const int32_t* upper, const int32_t* lower, int32_t w0, int32_t w1, const float* table, int64_t count, float* out);
};

const ClipKernels& clip_kernels(InstructionSet set = instruction_set());

}  // namespace liere
