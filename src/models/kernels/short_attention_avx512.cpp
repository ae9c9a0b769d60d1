// short_attention.h on AVX512_BF16 (compiled with -march=x86-64-v4 -mavx512bf16; called only where the processor has it). All scratch memory of a call
// is a few hundred KiB at 512 tokens, 60 KiB at 65.
#ifdef __AVX512BF16__
#include "models/kernels/short_attention_avx512.h"

#include <cmath>
#include <cstdlib>

#include "models/kernels/short_attention.h"

namespace liere::avx512 {
namespace {

constexpr int64_t kRows = 30;  // queries at a time: their scores stay in the first-level cache

const uint16_t* bits(const Bfloat16Bits* p) { return reinterpret_cast<const uint16_t*>(p); }
uint16_t* bits(Bfloat16Bits* p) { return reinterpret_cast<uint16_t*>(p); }
int64_t offset(const HeadStrides& s, int64_t sample, int64_t head) { return sample * s.samples + head * s.heads; }

/// One block of memory cut into arrays of 64-byte alignment; lives as long as the thread's call.
class Scratch {
 public:
  explicit Scratch(int64_t words) : base_(static_cast<uint32_t*>(std::aligned_alloc(64, static_cast<size_t>((words * 4 + 4096 + 63) / 64 * 64)))), next_(base_) {}
  ~Scratch() { std::free(base_); }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  uint32_t* words(int64_t n) {
    uint32_t* const array = next_;
    next_ += (n + 15) / 16 * 16;
    return array;
  }
  float* floats(int64_t n) { return reinterpret_cast<float*>(words(n)); }

 private:
  uint32_t *base_, *next_;
};

struct Sizes {
  int64_t tokens, dim, padded, pairs;  // padded: tokens up to a multiple of 32 (columns of scores); pairs: ceil(tokens / 2)
  int64_t columns;                     // tokens up to a multiple of 16: what a product computes
  explicit Sizes(const ShortAttention& p)
      : tokens(p.tokens), dim(p.dim), padded((p.tokens + 31) / 32 * 32), pairs((p.tokens + 1) / 2), columns((p.tokens + 15) / 16 * 16) {}
};

__mmask16 lanes(int64_t column, int64_t tokens) {
  const int64_t left = tokens - column;
  return left >= 16 ? 0xffff : static_cast<__mmask16>((1u << left) - 1u);
}

/// Turns a row of scores into probabilities (not yet divided by their sum) in bfloat16; returns 1 / sum and the row's log of the sum.
float softmax_row(const float* scores, const Sizes& s, float scale, uint16_t* probabilities, float* lse) {
  __m512 highest = _mm512_set1_ps(-INFINITY);
  for (int64_t j = 0; j < s.columns; j += 16) highest = _mm512_mask_max_ps(highest, lanes(j, s.tokens), highest, _mm512_loadu_ps(scores + j));
  const float top = _mm512_reduce_max_ps(highest) * scale;
  const __m512 factor = _mm512_set1_ps(scale), shift = _mm512_set1_ps(top);
  __m512 sum = _mm512_setzero_ps();
  for (int64_t j = 0; j < s.columns; j += 16) {
    const __m512 e = _mm512_maskz_mov_ps(lanes(j, s.tokens), exponential(_mm512_fmsub_ps(_mm512_loadu_ps(scores + j), factor, shift)));
    sum = _mm512_add_ps(sum, e);
    store_bf16(probabilities + j, e);
  }
  const float total = _mm512_reduce_add_ps(sum);
  *lse = top + std::log(total);
  return 1.0f / total;
}

}  // namespace

void short_attention(const ShortAttention& p, int64_t begin, int64_t end) {
  const Sizes s(p);
  Scratch memory(s.dim / 2 * s.padded + s.pairs * s.dim + kRows * (s.padded + s.padded / 2 + s.dim) + 256);
  uint32_t *const kt = memory.words(s.dim / 2 * s.padded), *const v_pairs = memory.words(s.pairs * s.dim), *const probabilities = memory.words(kRows * s.padded / 2);
  float *const scores = memory.floats(kRows * s.padded), *const mixed = memory.floats(kRows * s.dim);
  for (int64_t number = begin; number < end; ++number) {
    const int64_t in = offset(p.in, number / p.heads, number % p.heads), out = offset(p.out, number / p.heads, number % p.heads);
    const uint16_t* q = bits(p.q) + in;
    pack_transposed(bits(p.k) + in, p.in.tokens, s.tokens, s.dim, s.columns, kt);
    pack_rows(bits(p.v) + in, p.in.tokens, s.tokens, s.dim, v_pairs);
    for (int64_t first = 0; first < s.tokens; first += kRows) {
      const int64_t rows = s.tokens - first < kRows ? s.tokens - first : kRows;
      // Rows of a tensor begin at even elements: strides and dim are even.
      product({reinterpret_cast<const uint32_t*>(q + first * p.in.tokens), p.in.tokens / 2, 1}, {kt, s.columns}, rows, s.columns, s.dim / 2, scores, s.padded);
      float inverse[kRows];
      for (int64_t i = 0; i < rows; ++i)
        inverse[i] = softmax_row(scores + i * s.padded, s, p.scale, reinterpret_cast<uint16_t*>(probabilities + i * s.padded / 2), p.lse + number * s.tokens + first + i);
      product({probabilities, s.padded / 2, 1}, {v_pairs, s.dim}, rows, s.dim, s.pairs, mixed, s.dim);
      for (int64_t i = 0; i < rows; ++i)
        for (int64_t j = 0; j < s.dim; j += 16)
          store_bf16(bits(p.o) + out + (first + i) * p.out.tokens + j, _mm512_mul_ps(_mm512_loadu_ps(mixed + i * s.dim + j), _mm512_set1_ps(inverse[i])));
    }
  }
}

namespace {

/// exp(scale s - lse) and scale p (dp - d) for one row of scores and of do v^T.
void gradient_row(const float* scores, const float* dp, const Sizes& s, float scale, float lse, float d, uint16_t* probabilities, uint16_t* ds) {
  const __m512 factor = _mm512_set1_ps(scale), shift = _mm512_set1_ps(lse), centre = _mm512_set1_ps(d);
  for (int64_t j = 0; j < s.columns; j += 16) {
    const __mmask16 real = lanes(j, s.tokens);
    const __m512 e = _mm512_maskz_mov_ps(real, exponential(_mm512_fmsub_ps(_mm512_loadu_ps(scores + j), factor, shift)));
    store_bf16(probabilities + j, e);
    store_bf16(ds + j, _mm512_maskz_mul_ps(real, _mm512_mul_ps(e, factor), _mm512_sub_ps(_mm512_loadu_ps(dp + j), centre)));
  }
}

float dot_row(const uint16_t* a, const uint16_t* b, int64_t dim) {
  __m512 sum = _mm512_setzero_ps();
  for (int64_t j = 0; j < dim; j += 16) sum = _mm512_fmadd_ps(from_bf16(a + j), from_bf16(b + j), sum);
  return _mm512_reduce_add_ps(sum);
}

void store_rows(const float* x, int64_t rows, int64_t dim, uint16_t* out, int64_t stride) {
  for (int64_t i = 0; i < rows; ++i)
    for (int64_t j = 0; j < dim; j += 16) store_bf16(out + i * stride + j, _mm512_loadu_ps(x + i * dim + j));
}

/// Rows of bfloat16 [rows, padded] -> pairs along rows [ceil(rows / 2)][padded].
void pair_rows(const uint16_t* x, int64_t rows, const Sizes& s, uint32_t* out) { pack_rows(x, s.padded, rows, s.padded, out); }

}  // namespace

void short_attention_backward(const ShortAttention& p, int64_t begin, int64_t end) {
  const Sizes s(p);
  static_assert(kRows % 2 == 0, "pairs of rows do not cross a block");
  Scratch memory(s.dim * s.padded + 3 * s.pairs * s.dim + 2 * s.pairs * s.padded + kRows * s.padded * 3 + s.tokens * s.padded / 2 + s.tokens * s.dim + 1024);
  uint32_t *const kt = memory.words(s.dim / 2 * s.padded), *const vt = memory.words(s.dim / 2 * s.padded);
  uint32_t *const k_pairs = memory.words(s.pairs * s.dim), *const q_pairs = memory.words(s.pairs * s.dim), *const do_pairs = memory.words(s.pairs * s.dim);
  uint32_t *const p_pairs = memory.words(s.pairs * s.padded), *const ds_pairs = memory.words(s.pairs * s.padded), *const ds_words = memory.words(s.tokens * s.padded / 2);
  float *const scores = memory.floats(kRows * s.padded), *const dp = memory.floats(kRows * s.padded), *const result = memory.floats(s.tokens * s.dim);
  auto* const probabilities = reinterpret_cast<uint16_t*>(memory.words(kRows * s.padded / 2));
  auto* const ds = reinterpret_cast<uint16_t*>(ds_words);
  memset(probabilities, 0, static_cast<size_t>(kRows * s.padded) * 2);  // the columns that no product writes
  memset(ds, 0, static_cast<size_t>(s.tokens * s.padded) * 2);
  for (int64_t number = begin; number < end; ++number) {
    const int64_t in = offset(p.in, number / p.heads, number % p.heads), out = offset(p.out, number / p.heads, number % p.heads);
    const uint16_t *q = bits(p.q) + in, *k = bits(p.k) + in, *v = bits(p.v) + in, *o = bits(p.o) + out, *d_o = bits(p.d_o) + out;
    const float* lse = p.lse + number * s.tokens;
    pack_transposed(k, p.in.tokens, s.tokens, s.dim, s.columns, kt);
    pack_transposed(v, p.in.tokens, s.tokens, s.dim, s.columns, vt);
    pack_rows(k, p.in.tokens, s.tokens, s.dim, k_pairs);
    pack_rows(q, p.in.tokens, s.tokens, s.dim, q_pairs);
    pack_rows(d_o, p.out.tokens, s.tokens, s.dim, do_pairs);
    for (int64_t first = 0; first < s.tokens; first += kRows) {
      const int64_t rows = s.tokens - first < kRows ? s.tokens - first : kRows;
      product({reinterpret_cast<const uint32_t*>(q + first * p.in.tokens), p.in.tokens / 2, 1}, {kt, s.columns}, rows, s.columns, s.dim / 2, scores, s.padded);
      product({reinterpret_cast<const uint32_t*>(d_o + first * p.out.tokens), p.out.tokens / 2, 1}, {vt, s.columns}, rows, s.columns, s.dim / 2, dp, s.padded);
      for (int64_t i = 0; i < rows; ++i) {
        const int64_t row = first + i;
        const float d = dot_row(d_o + row * p.out.tokens, o + row * p.out.tokens, s.dim);
        gradient_row(scores + i * s.padded, dp + i * s.padded, s, p.scale, lse[row], d, probabilities + i * s.padded, ds + row * s.padded);
      }
      pair_rows(probabilities, rows, s, p_pairs + first / 2 * s.padded);
      pair_rows(ds + first * s.padded, rows, s, ds_pairs + first / 2 * s.padded);
    }
    product({p_pairs, 1, s.padded}, {do_pairs, s.dim}, s.tokens, s.dim, s.pairs, result, s.dim);
    store_rows(result, s.tokens, s.dim, bits(p.dv) + in, p.in.tokens);
    product({ds_pairs, 1, s.padded}, {q_pairs, s.dim}, s.tokens, s.dim, s.pairs, result, s.dim);
    store_rows(result, s.tokens, s.dim, bits(p.dk) + in, p.in.tokens);
    product({ds_words, s.padded / 2, 1}, {k_pairs, s.dim}, s.tokens, s.dim, s.pairs, result, s.dim);
    store_rows(result, s.tokens, s.dim, bits(p.dq) + in, p.in.tokens);
  }
}

}  // namespace liere::avx512
#endif
