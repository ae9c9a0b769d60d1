#ifdef __AVX512VBMI__
#include <immintrin.h>

#define LIERE_PIXEL_SET pixel_avx512
#include "data/transforms/pixel_kernels_body.h"

namespace liere::pixel_avx512 {
namespace {

constexpr __mmask64 kSixteenPixels = (uint64_t(1) << 48) - 1;

struct WideTable {
  __m512i quarters[4];
  explicit WideTable(const ByteTable& table) {
    for (int i = 0; i < 4; ++i) quarters[i] = _mm512_loadu_si512(table + 64 * i);
  }
  __m512i operator()(__m512i index) const {
    return _mm512_mask_blend_epi8(_mm512_movepi8_mask(index), _mm512_permutex2var_epi8(quarters[0], index, quarters[1]),
                                  _mm512_permutex2var_epi8(quarters[2], index, quarters[3]));
  }
};

void look_up_wide(uint8_t* values, int64_t count, const ByteTable& table) {
  const WideTable wide(table);
  for (int64_t i = 0; i < count; i += 64) {
    const __mmask64 present = count - i < 64 ? (uint64_t(1) << (count - i)) - 1 : ~uint64_t(0);
    _mm512_mask_storeu_epi8(values + i, present, wide(_mm512_maskz_loadu_epi8(present, values + i)));
  }
}

void look_up_channels_wide(uint8_t* rgb, int64_t pixels, const ByteTable* tables) {
  const WideTable red(tables[0]), green(tables[1]), blue(tables[2]);
  constexpr __mmask64 kGreen = 0x2492492492492492, kBlue = 0x4924924924924924;  // bits 1, 4, .. and 2, 5, ..: of sixteen pixels
  for (int64_t i = 0; i < pixels; i += 16) {
    const __mmask64 present = pixels - i < 16 ? (uint64_t(1) << (3 * (pixels - i))) - 1 : kSixteenPixels;
    const __m512i v = _mm512_maskz_loadu_epi8(present, rgb + i * 3);
    _mm512_mask_storeu_epi8(rgb + i * 3, present, _mm512_mask_blend_epi8(kBlue, _mm512_mask_blend_epi8(kGreen, red(v), green(v)), blue(v)));
  }
}

/// The greys of sixteen pixels, 32 bits each. 38470 does not fit a signed word: green is added in halves, once with red and once with blue.
__m512i greys(const uint8_t* rgb, __mmask64 present) {
  alignas(64) static constexpr auto kPairs = [] {
    struct {
      uint8_t red_green[64], blue_green[64];
    } order{};
    for (int i = 0; i < 16; ++i) {
      order.red_green[i * 4] = static_cast<uint8_t>(i * 3);
      order.blue_green[i * 4] = static_cast<uint8_t>(i * 3 + 2);
      order.red_green[i * 4 + 2] = order.blue_green[i * 4 + 2] = static_cast<uint8_t>(i * 3 + 1);
    }
    return order;
  }();
  constexpr __mmask64 kLowBytes = 0x5555555555555555;
  const __m512i v = _mm512_maskz_loadu_epi8(present, rgb);
  const __m512i red_green = _mm512_maskz_permutexvar_epi8(kLowBytes, _mm512_load_si512(kPairs.red_green), v);
  const __m512i blue_green = _mm512_maskz_permutexvar_epi8(kLowBytes, _mm512_load_si512(kPairs.blue_green), v);
  const __m512i sum = _mm512_add_epi32(_mm512_madd_epi16(red_green, _mm512_set1_epi32(19235 << 16 | 19595)),
                                       _mm512_madd_epi16(blue_green, _mm512_set1_epi32(19235 << 16 | 7471)));
  return _mm512_srli_epi32(_mm512_add_epi32(sum, _mm512_set1_epi32(32768)), 16);
}

int64_t sum_of_greys_wide(const uint8_t* rgb, int64_t pixels) {
  constexpr int64_t kBlock = 1 << 20;  // sixteen sums of 32 bits hold so many
  int64_t total = 0;
  for (int64_t start = 0; start + 16 <= pixels; start += kBlock) {
    __m512i sums = _mm512_setzero_si512();
    const int64_t end = start + kBlock < pixels ? start + kBlock : pixels;
    for (int64_t i = start; i + 16 <= end; i += 16) sums = _mm512_add_epi32(sums, greys(rgb + i * 3, kSixteenPixels));
    total += _mm512_reduce_add_epi32(sums);
  }
  const int64_t whole = pixels / 16 * 16;
  return total + sum_of_greys(rgb + whole * 3, pixels - whole);
}

void blend_with_grey_wide(uint8_t* rgb, int64_t pixels, float factor) {
  // Value j of a group of sixteen belongs to pixel (16 group + j) / 3.
  const __m512i owners[3] = {_mm512_setr_epi32(0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 4, 5),
                             _mm512_setr_epi32(5, 5, 6, 6, 6, 7, 7, 7, 8, 8, 8, 9, 9, 9, 10, 10),
                             _mm512_setr_epi32(10, 11, 11, 11, 12, 12, 12, 13, 13, 13, 14, 14, 14, 15, 15, 15)};
  const __m512 scale = _mm512_set1_ps(factor);
  int64_t i = 0;
  for (; i + 16 <= pixels; i += 16) {
    const __m512 grey_values = _mm512_cvtepi32_ps(greys(rgb + i * 3, kSixteenPixels));
    for (int group = 0; group < 3; ++group) {
      uint8_t* const at = rgb + i * 3 + group * 16;
      const __m512 d = _mm512_permutexvar_ps(owners[group], grey_values);
      const __m512 p = _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(at))));
      const __m512 sum = _mm512_add_ps(d, _mm512_mul_ps(scale, _mm512_sub_ps(p, d)));
      const __m512 clamped = _mm512_min_ps(_mm512_max_ps(sum, _mm512_setzero_ps()), _mm512_set1_ps(255.0f));
      _mm_storeu_si128(reinterpret_cast<__m128i*>(at), _mm512_cvtepi32_epi8(_mm512_cvttps_epi32(clamped)));
    }
  }
  blend_with_grey(rgb + i * 3, pixels - i, factor);
}

void reverse_wide(const uint8_t* rgb, uint8_t* out, int64_t pixels) {
  alignas(64) static constexpr auto kReversed = [] {
    struct {
      uint8_t index[64];
    } order{};
    for (int i = 0; i < 16; ++i)
      for (int c = 0; c < 3; ++c) order.index[i * 3 + c] = static_cast<uint8_t>((15 - i) * 3 + c);
    return order;
  }();
  const __m512i order = _mm512_load_si512(kReversed.index);
  int64_t i = 0;
  for (; i + 16 <= pixels; i += 16) {
    const __m512i v = _mm512_permutexvar_epi8(order, _mm512_maskz_loadu_epi8(kSixteenPixels, rgb + i * 3));
    _mm512_mask_storeu_epi8(out + (pixels - i - 16) * 3, kSixteenPixels, v);
  }
  if (i < pixels) reverse(rgb + i * 3, out, pixels - i);
}

}  // namespace

extern const PixelKernels kKernels;
const PixelKernels kKernels{look_up_wide, look_up_channels_wide, extremes, sum_of_greys_wide, blend_with_grey_wide, sharpen, reverse_wide};

}  // namespace liere::pixel_avx512
#endif
