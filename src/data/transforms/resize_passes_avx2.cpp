#include "data/transforms/resize_passes.h"

#ifdef __AVX2__
#include <immintrin.h>
#include <string.h>

namespace liere::resize_avx2 {
namespace {

__m128i half() { return _mm_set1_epi32(1 << (kResizeWeightBits - 1)); }

struct Sums {
  __m256i low = _mm256_setzero_si256(), high = _mm256_setzero_si256();

  void add(__m256i pixels, __m256i low_weights, __m256i high_weights) {
    low = _mm256_add_epi32(low, _mm256_madd_epi16(pixels, low_weights));
    high = _mm256_add_epi32(high, _mm256_madd_epi16(pixels, high_weights));
  }
  __m256i total() const { return _mm256_add_epi32(low, _mm256_slli_epi32(high, kResizeLowBits)); }
  __m256i rounded() const { return _mm256_srai_epi32(_mm256_add_epi32(total(), _mm256_broadcastsi128_si256(half())), kResizeWeightBits); }
};

/// One output pixel of three channels in the lowest bytes.
uint32_t pixel_of(const uint8_t* in, const int16_t* weights, int64_t groups) {
  // Bytes of four pixels of three channels -> r0 r1 g0 g1 b0 b1 0 0 | r2 r3 g2 g3 b2 b3 0 0, 16 bits each.
  const __m256i order =
      _mm256_setr_epi8(0, -1, 3, -1, 1, -1, 4, -1, 2, -1, 5, -1, -1, -1, -1, -1, 6, -1, 9, -1, 7, -1, 10, -1, 8, -1, 11, -1, -1, -1, -1, -1);
  Sums sums;
  for (int64_t group = 0; group < groups; ++group, in += 12, weights += 32) {
    const __m256i bytes = _mm256_broadcastsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(in)));
    sums.add(_mm256_shuffle_epi8(bytes, order), _mm256_loadu_si256(reinterpret_cast<const __m256i*>(weights)),
             _mm256_loadu_si256(reinterpret_cast<const __m256i*>(weights + 16)));
  }
  const __m256i total = sums.total();
  __m128i pixel = _mm_add_epi32(_mm_add_epi32(_mm256_castsi256_si128(total), _mm256_extracti128_si256(total, 1)), half());
  pixel = _mm_packs_epi32(_mm_srai_epi32(pixel, kResizeWeightBits), pixel);
  return static_cast<uint32_t>(_mm_cvtsi128_si32(_mm_packus_epi16(pixel, pixel)));
}

void columns(const ResizeInput& in, int64_t rows, int64_t channels, const ResizeWeights& weights, uint8_t* out) {
  if (channels != 3) return resize_baseline::kPasses.columns(in, rows, channels, weights, out);
  const int64_t width = weights.outputs, groups = weights.groups;
  for (int64_t row = 0; row < rows; ++row, out += width * 3) {
    const uint8_t* const pixels = in.pixels + row * in.stride;
    // 16 bytes are read for four pixels, and 4 written for one: the last pixels of the input, and the output's last one, are computed without.
    const int64_t reach = (groups - 1) * 12 + 16, readable = in.end - pixels;
    int64_t end = row + 1 < rows ? width : width - 1;
    while (end > 0 && weights.spans[end - 1].first * 3 + reach > readable) --end;
    const int16_t* weight = weights.parts;
    for (int64_t x = 0; x < end; ++x, weight += groups * 32) {
      const uint32_t pixel = pixel_of(pixels + weights.spans[x].first * 3, weight, groups);
      memcpy(out + x * 3, &pixel, 4);
    }
    resize_baseline::resize_columns_of_row(pixels, 3, weights, end, width, out);
  }
}

/// Sixteen values of an output row.
__m128i values_of(const uint8_t* in, int64_t stride, const int32_t* weights, int64_t count) {
  Sums first, second;
  for (int64_t k = 0; k < count; k += 2, in += 2 * stride) {
    const bool pair = k + 1 < count;
    const __m128i upper = _mm_loadu_si128(reinterpret_cast<const __m128i*>(in));
    const __m128i lower = pair ? _mm_loadu_si128(reinterpret_cast<const __m128i*>(in + stride)) : _mm_setzero_si128();
    const int32_t a = weights[k], b = pair ? weights[k + 1] : 0;
    const __m256i both_low = _mm256_set1_epi32((a & 0x7fff) | (b & 0x7fff) << 16);
    const __m256i both_high =
        _mm256_set1_epi32(((a >> kResizeLowBits) & 0xffff) | static_cast<int32_t>(static_cast<uint32_t>(b >> kResizeLowBits) << 16));
    first.add(_mm256_cvtepu8_epi16(_mm_unpacklo_epi8(upper, lower)), both_low, both_high);
    second.add(_mm256_cvtepu8_epi16(_mm_unpackhi_epi8(upper, lower)), both_low, both_high);
  }
  const __m256i words = _mm256_permute4x64_epi64(_mm256_packs_epi32(first.rounded(), second.rounded()), 0xd8);
  return _mm_packus_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
}

void rows(const ResizeInput& in, int64_t count, const ResizeWeights& weights, uint8_t* out) {
  if (count < 16) return resize_baseline::kPasses.rows(in, count, weights, out);
  for (int64_t y = 0; y < weights.outputs; ++y, out += count) {
    const uint8_t* const pixels = in.pixels + weights.spans[y].first * in.stride;
    const int32_t* const weight = weights.weights + y * weights.taps;
    for (int64_t x = 0; x < count; x += 16) {
      const int64_t start = x < count - 16 ? x : count - 16;  // the last block overlaps the one before
      _mm_storeu_si128(reinterpret_cast<__m128i*>(out + start), values_of(pixels + start, in.stride, weight, weights.spans[y].count));
    }
  }
}

}  // namespace

const ResizePasses kPasses{columns, rows};

}  // namespace liere::resize_avx2

#else

namespace liere::resize_avx2 {
const ResizePasses kPasses = resize_baseline::kPasses;
}

#endif
