#include "data/transforms/resize_passes.h"

#include <algorithm>

namespace liere::resize_baseline {
namespace {

constexpr int32_t kHalf = 1 << (kResizeWeightBits - 1);

uint8_t rounded(int32_t sum) { return static_cast<uint8_t>(std::clamp(sum >> kResizeWeightBits, 0, 255)); }

void columns(const ResizeInput& in, int64_t rows, int64_t channels, const ResizeWeights& weights, uint8_t* out) {
  for (int64_t row = 0; row < rows; ++row)
    resize_columns_of_row(in.pixels + row * in.stride, channels, weights, 0, weights.outputs, out + row * weights.outputs * channels);
}

void rows(const ResizeInput& in, int64_t count, const ResizeWeights& weights, uint8_t* out) {
  for (int64_t y = 0; y < weights.outputs; ++y) resize_values_of_row(in, weights, y, 0, count, out + y * count);
}

}  // namespace

void resize_columns_of_row(const uint8_t* in, int64_t channels, const ResizeWeights& weights, int64_t begin, int64_t end, uint8_t* out) {
  for (int64_t x = begin; x < end; ++x) {
    const auto [first, count] = weights.spans[x];
    const int32_t* const weight = weights.weights + x * weights.taps;
    for (int64_t c = 0; c < channels; ++c) {
      int32_t sum = kHalf;
      for (int64_t k = 0; k < count; ++k) sum += in[(first + k) * channels + c] * weight[k];
      out[x * channels + c] = rounded(sum);
    }
  }
}

void resize_values_of_row(const ResizeInput& in, const ResizeWeights& weights, int64_t y, int64_t begin, int64_t end, uint8_t* out) {
  constexpr int64_t kBlock = 256;
  int32_t sums[kBlock];
  const auto [first, count] = weights.spans[y];
  for (int64_t start = begin; start < end; start += kBlock) {
    const int64_t length = std::min(kBlock, end - start);
    std::fill_n(sums, length, kHalf);
    for (int64_t k = 0; k < count; ++k) {
      const uint8_t* const row = in.pixels + (first + k) * in.stride + start;
      const int32_t weight = weights.weights[y * weights.taps + k];
      for (int64_t i = 0; i < length; ++i) sums[i] += row[i] * weight;
    }
    for (int64_t i = 0; i < length; ++i) out[start + i] = rounded(sums[i]);
  }
}

const ResizePasses kPasses{columns, rows};

}  // namespace liere::resize_baseline
