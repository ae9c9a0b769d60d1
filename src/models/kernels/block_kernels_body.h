// The code of block_kernels.h for one instruction set: included once by each of block_kernels{,_avx2,_avx512}.cpp, which define LIERE_INSTRUCTION_SET
// (namespace) and LIERE_LANES (floats in a vector: 16, 8 or 4) and are compiled with that set's flags. Vectors are GCC's extension; everything has
// internal linkage, so that no code of one set can stand in for another's.
#include <cmath>
#include <cstring>

#include "models/kernels/block_kernels.h"

namespace liere::LIERE_INSTRUCTION_SET {
namespace {

constexpr int64_t kLanes = LIERE_LANES, kMaskWord = 16;
typedef float Floats __attribute__((vector_size(4 * LIERE_LANES)));
typedef uint32_t Words __attribute__((vector_size(4 * LIERE_LANES)));
typedef uint16_t Halves __attribute__((vector_size(2 * LIERE_LANES)));
#define LIERE_INLINE [[gnu::always_inline]] static inline

template <class To, class From>
LIERE_INLINE To bits_as(From from) {
  static_assert(sizeof(To) == sizeof(From));
  To to;
  memcpy(&to, &from, sizeof(to));
  return to;
}

LIERE_INLINE Floats load(const float* p) {
  Floats v;
  memcpy(&v, p, sizeof(v));
  return v;
}
LIERE_INLINE Floats load(const Bfloat16Bits* p) {
  Halves half;
  memcpy(&half, p, sizeof(half));
  return bits_as<Floats>(__builtin_convertvector(half, Words) << 16);
}
LIERE_INLINE void store(float* p, Floats v) { memcpy(p, &v, sizeof(v)); }
/// To nearest, ties to even; NaN stays NaN.
LIERE_INLINE void store(Bfloat16Bits* p, Floats v) {
  const Words wide = bits_as<Words>(v);
  const Words rounded = (wide + 0x7fffu + ((wide >> 16) & 1u)) >> 16;
  const Words safe = v == v ? rounded : Words{} + 0x7fc0u;
  const Halves half = __builtin_convertvector(safe, Halves);
  memcpy(p, &half, sizeof(half));
}

LIERE_INLINE float total(Floats v) {
  float lane[kLanes];
  memcpy(lane, &v, sizeof(v));
  for (int64_t width = kLanes / 2; width > 0; width /= 2)
    for (int64_t i = 0; i < width; ++i) lane[i] += lane[i + width];
  return lane[0];
}

/// exp(x) for x <= 0; 0 below -87. Relative error of the polynomial 3.4e-9 on |r| <= log(2) / 2.
LIERE_INLINE Floats exp_negative(Floats x) {
  constexpr float kRound = 12582912.0f;  // 1.5 * 2^23: adding it rounds to a whole number, kept in the low bits
  const Floats low = Floats{} - 87.0f, clamped = x < low ? low : x;
  const Floats shifted = clamped * 1.44269504f + kRound, k = shifted - kRound;
  const Floats r = (clamped - k * 0.693359375f) + k * 2.12194440e-4f;
  Floats q = r * 0.0013951711f + 0.008369599f;
  q = q * r + 0.041666187f;
  q = q * r + 0.16666513f;
  q = q * r + 0.50000001f;
  const Floats y = q * (r * r) + r + 1.0f;
  const Words power = (bits_as<Words>(shifted) - bits_as<uint32_t>(kRound) + 127u) << 23;
  return x < low ? Floats{} : y * bits_as<Floats>(power);
}

struct Normal {
  Floats distribution, density;
};
/// Phi(u) and its derivative. Phi(-a) = exp(-a^2 / 2) t Q(t), t = 1 / (1 + 0.3 a), a >= 0: one exponential serves both.
LIERE_INLINE Normal normal(Floats u) {
  const Floats a = u < 0.0f ? -u : u, e = exp_negative(a * a * -0.5f), t = 1.0f / (a * 0.3f + 1.0f);
  Floats q = t * 0.036195297f - 0.15938001f;
  q = q * t + 0.2101211f;
  q = q * t - 0.057169656f;
  q = q * t + 0.13041757f;
  q = q * t + 0.09934681f;
  q = q * t + 0.120845576f;
  q = q * t + 0.11962326f;
  const Floats tail = e * t * q;
  return {u < 0.0f ? tail : 1.0f - tail, e * 0.39894228f};
}

/// Draws the masks of one row.
LIERE_INLINE void draw_mask(const MaskPlan& mask, int64_t row, int64_t width) {
  const int64_t sample = row / mask.tokens;
  const auto slot = static_cast<uint32_t>(mask.slots ? mask.slots[sample] : mask.first_slot + sample);
  const auto first_block = static_cast<uint32_t>(row % mask.tokens * width / 4);
  const uint32_t step = with_step_read(mask).step, site = mask.site, threshold = mask.threshold;
  const uint64_t key = mask.key;
  uint16_t* bits = mask.bits + row * (width / kMaskWord);
  constexpr int64_t kPart = 256;  // elements drawn at a time
  for (int64_t begin = 0; begin < width; begin += kPart) {
    const int blocks = static_cast<int>((width - begin < kPart ? width - begin : kPart) / 4);
    uint32_t words[kPart];
    for (int i = 0; i < blocks; ++i) {
      const PhiloxBlock block = philox_block(key, step, slot, site, first_block + static_cast<uint32_t>(begin / 4 + i));
      words[4 * i] = block.word[0];
      words[4 * i + 1] = block.word[1];
      words[4 * i + 2] = block.word[2];
      words[4 * i + 3] = block.word[3];
    }
    for (int i = 0; i < blocks / 4; ++i) {
#ifdef __AVX512F__
      bits[begin / kMaskWord + i] = _mm512_cmpge_epu32_mask(_mm512_loadu_si512(words + 16 * i), _mm512_set1_epi32(static_cast<int>(threshold)));
#else
      uint32_t packed = 0;
      for (int lane = 0; lane < 16; ++lane) packed |= uint32_t{words[16 * i + lane] >= threshold} << lane;
      bits[begin / kMaskWord + i] = static_cast<uint16_t>(packed);
#endif
    }
  }
}

/// x * mask * scale: a product, so that a dropped NaN stays visible.
LIERE_INLINE Floats drop(Floats x, const uint16_t* bits, int64_t j, float scale) {
  if (!bits) return x;
  Words lane;
  for (int i = 0; i < kLanes; ++i) lane[i] = 1u << i;
  const Words kept = (Words{} + (uint32_t{bits[j / kMaskWord]} >> (j % kMaskWord))) & lane;
  return x * (kept != 0u ? Floats{} + scale : Floats{});
}

LIERE_INLINE const uint16_t* mask_of(const MaskPlan& mask, int64_t row, int64_t width) { return mask.bits ? mask.bits + row * (width / kMaskWord) : nullptr; }

struct Range {
  int64_t begin, end;
};
LIERE_INLINE Range rows_of(int64_t chunk, int64_t rows) {
  const int64_t end = (chunk + 1) * kChunkRows;
  return {chunk * kChunkRows, end < rows ? end : rows};
}

LIERE_INLINE void clear(float* sums, int64_t width) {
  if (sums) memset(sums, 0, static_cast<size_t>(width) * sizeof(float));
}
LIERE_INLINE float* chunk_of(float* sums, int64_t chunk, int64_t width) {
  float* const own = sums ? sums + chunk * width : nullptr;
  clear(own, width);
  return own;
}
LIERE_INLINE void accumulate(float* sums, Floats v) { store(sums, load(sums) + v); }

template <class T>
void add_norm(const AddNormForward<T>& p, int64_t begin, int64_t end) {
  const int64_t width = p.width;
  for (int64_t row = rows_of(begin, p.rows).begin; row < rows_of(end - 1, p.rows).end; ++row) {
    const float* y = p.x + row * width;
    Floats sum = {}, squares = {};
    if (p.branch) {
      if (p.mask.bits) draw_mask(p.mask, row, width);
      const uint16_t* bits = mask_of(p.mask, row, width);
      float* out = p.y + row * width;
      for (int64_t j = 0; j < width; j += kLanes) {
        Floats branch = load(p.branch + row * width + j);
        if (p.branch_bias) branch += load(p.branch_bias + j);
        const Floats v = load(y + j) + drop(branch, bits, j, p.mask.scale);
        store(out + j, v);
        sum += v;
      }
      y = out;
    } else {
      for (int64_t j = 0; j < width; j += kLanes) sum += load(y + j);
    }
    if (!p.normed) continue;
    const float mean = total(sum) / static_cast<float>(width);
    for (int64_t j = 0; j < width; j += kLanes) {
      const Floats d = load(y + j) - mean;
      squares += d * d;
    }
    const float rstd = 1.0f / std::sqrt(total(squares) / static_cast<float>(width) + p.norm.eps);
    for (int64_t j = 0; j < width; j += kLanes)
      store(p.normed + row * width + j, (load(y + j) - mean) * rstd * load(p.norm.weight + j) + load(p.norm.bias + j));
    p.norm.mean[row] = mean;
    p.norm.rstd[row] = rstd;
  }
}

template <class T>
void add_norm_backward(const AddNormBackward<T>& p, int64_t begin, int64_t end) {
  const int64_t width = p.width;
  for (int64_t chunk = begin; chunk < end; ++chunk) {
    float *const dbranch_bias = chunk_of(p.dbranch_bias, chunk, width), *const dweight = chunk_of(p.dweight, chunk, width),
                 *const dbias = chunk_of(p.dbias, chunk, width);
    const Range rows = rows_of(chunk, p.rows);
    for (int64_t row = rows.begin; row < rows.end; ++row) {
      const float* dx = p.dy + row * width;
      if (p.dnormed) {
        const T* dn = p.dnormed + row * width;
        const float *y = p.y + row * width, mean = p.norm.mean[row], rstd = p.norm.rstd[row];
        Floats sum = {}, product = {};
        for (int64_t j = 0; j < width; j += kLanes) {
          const Floats d = load(dn + j), centred = (load(y + j) - mean) * rstd, g = d * load(p.norm.weight + j);
          sum += g;
          product += g * centred;
          accumulate(dweight + j, d * centred);
          accumulate(dbias + j, d);
        }
        const float mean_g = total(sum) / static_cast<float>(width), mean_product = total(product) / static_cast<float>(width);
        float* out = p.dx + row * width;
        for (int64_t j = 0; j < width; j += kLanes) {
          const Floats centred = (load(y + j) - mean) * rstd, g = load(dn + j) * load(p.norm.weight + j);
          store(out + j, load(dx + j) + (g - mean_g - centred * mean_product) * rstd);
        }
        dx = out;
      }
      if (!p.dbranch) continue;
      const uint16_t* bits = mask_of(p.mask, row, width);
      for (int64_t j = 0; j < width; j += kLanes) {
        const Floats d = drop(load(dx + j), bits, j, p.mask.scale);
        store(p.dbranch + row * width + j, d);
        if (dbranch_bias) accumulate(dbranch_bias + j, d);
      }
    }
  }
}

template <class T>
void gelu(const GeluPlan<T>& p, int64_t begin, int64_t end) {
  const int64_t width = p.width;
  for (int64_t row = rows_of(begin, p.rows).begin; row < rows_of(end - 1, p.rows).end; ++row) {
    if (p.mask.bits) draw_mask(p.mask, row, width);
    const uint16_t* bits = mask_of(p.mask, row, width);
    for (int64_t j = 0; j < width; j += kLanes) {
      const Floats u = load(p.branch + row * width + j) + load(p.bias + j);
      store(p.hidden + row * width + j, drop(u * normal(u).distribution, bits, j, p.mask.scale));
    }
  }
}

template <class T>
void gelu_backward(const GeluPlan<T>& p, int64_t begin, int64_t end) {
  const int64_t width = p.width;
  for (int64_t chunk = begin; chunk < end; ++chunk) {
    float* const dbias = chunk_of(p.dbias, chunk, width);
    const Range rows = rows_of(chunk, p.rows);
    for (int64_t row = rows.begin; row < rows.end; ++row) {
      const uint16_t* bits = mask_of(p.mask, row, width);
      for (int64_t j = 0; j < width; j += kLanes) {
        const Floats u = load(p.branch + row * width + j) + load(p.bias + j);
        const Normal n = normal(u);
        const Floats d = drop(load(p.dhidden + row * width + j), bits, j, p.mask.scale) * (n.distribution + u * n.density);
        store(p.dbranch + row * width + j, d);
        accumulate(dbias + j, d);
      }
    }
  }
}

}  // namespace

const BlockKernels<float> kFloat = {add_norm<float>, add_norm_backward<float>, gelu<float>, gelu_backward<float>};
const BlockKernels<Bfloat16Bits> kBfloat16 = {add_norm<Bfloat16Bits>, add_norm_backward<Bfloat16Bits>, gelu<Bfloat16Bits>, gelu_backward<Bfloat16Bits>};

#undef LIERE_INLINE
}  // namespace liere::LIERE_INSTRUCTION_SET
