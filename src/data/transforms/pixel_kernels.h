// The inner loops of the colour operations over 8-bit RGB pixels, in the forms of the instruction sets; all give the same bytes. `pixels` counts
// pixels of three values each. No pointer needs alignment; inputs and outputs do not overlap unless they are the same argument.
#pragma once

#include <cstdint>

#include "core/instruction_set.h"

namespace liere {

using ByteTable = uint8_t[256];

struct PixelKernels {
  /// values[i] = table[values[i]].
  void (*look_up)(uint8_t* values, int64_t count, const ByteTable& table);
  /// The same with a table for each channel.
  void (*look_up_channels)(uint8_t* rgb, int64_t pixels, const ByteTable* tables);
  /// The least and the greatest value of each channel; pixels >= 1.
  void (*extremes)(const uint8_t* rgb, int64_t pixels, uint8_t* low, uint8_t* high);
  /// The sum of the greys (19595 R + 38470 G + 7471 B + 32768) >> 16.
  int64_t (*sum_of_greys)(const uint8_t* rgb, int64_t pixels);
  /// Each value p becomes grey + factor (p - grey) in float32, each operation rounded, clamped to 0..255 and cut to a whole number.
  void (*blend_with_grey)(uint8_t* rgb, int64_t pixels, float factor);
  /// Values of one row between the rows `above` and `below` of the unchanged picture, `count` of them from the second pixel on: the same blend with
  /// the smoothed value (2 T + 13) / 26, T the sum of the nine pixels with the centre five times.
  void (*sharpen)(const uint8_t* above, const uint8_t* row, const uint8_t* below, uint8_t* out, int64_t count, float factor);
  /// The pixels in reverse order.
  void (*reverse)(const uint8_t* rgb, uint8_t* out, int64_t pixels);
};

/// The form for `set`; the one of kAvx512 also needs byte permutations (AVX-512 VBMI), else it is kAvx2's.
const PixelKernels& pixel_kernels(InstructionSet set = instruction_set());

}  // namespace liere
