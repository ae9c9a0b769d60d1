// The two passes of the antialiased resize over 8-bit pixels, in the forms of the instruction sets; all give the same bytes.
//   out = byte((2^21 + sum of p_k K_k) >> 22),   K_k: the weight with 22 fractional bits, int32 sums (Pillow, Resample.c)
// The AVX2 form splits K = 2^15 h + l with l in 0..32767: both fit 16 bits, p <= 255, so sum(p h) and sum(p l) come exactly from the instruction that
// multiplies pairs of 16-bit numbers and adds them into 32 bits, and 2^15 sum(p h) + sum(p l) is the int32 sum itself.
#pragma once

#include <cstdint>

namespace liere {

constexpr int kResizeWeightBits = 22;

/// Plain pointers, as the files of the instruction sets may instantiate nothing that another file could be linked to.
struct ResizeWeights {
  struct Span {
    int64_t first, count;
  };
  int64_t outputs, taps;
  const Span* spans;       // [outputs]: the first input index and how many are read
  const int32_t* weights;  // [outputs, taps], zeros behind the last one read
  int64_t groups;          // the columns' only: the most taps of an output, in fours
  const int16_t* parts;    // [outputs, groups, l or h, 16]: taps 0 and 1 of a group side by side four times, then its taps 2 and 3
};
constexpr int kResizeLowBits = 15;

/// Pixels in rows `stride` bytes apart; `end`: one past the last byte that may be read.
struct ResizeInput {
  const uint8_t* pixels;
  int64_t stride;
  const uint8_t* end;
};

struct ResizePasses {
  /// Each of `rows` rows: weights.outputs pixels of `channels` values, written one row behind the other.
  void (*columns)(const ResizeInput& in, int64_t rows, int64_t channels, const ResizeWeights& weights, uint8_t* out);
  /// weights.outputs rows of `count` values, written one behind the other.
  void (*rows)(const ResizeInput& in, int64_t count, const ResizeWeights& weights, uint8_t* out);
};

namespace resize_baseline {
extern const ResizePasses kPasses;
/// Output pixels [begin, end) of one row.
void resize_columns_of_row(const uint8_t* in, int64_t channels, const ResizeWeights& weights, int64_t begin, int64_t end, uint8_t* out);
/// Values [begin, end) of output row y.
void resize_values_of_row(const ResizeInput& in, const ResizeWeights& weights, int64_t y, int64_t begin, int64_t end, uint8_t* out);
}  // namespace resize_baseline
namespace resize_avx2 {
extern const ResizePasses kPasses;
}

}  // namespace liere
