// Contract of the CPU's fused kernels of a transformer block, free of torch: what lies between the matrix products, in one pass over memory each.
//
//   add_norm   y = x + drop(a + c),  n = (y - mean) / sqrt(var + eps) * g + b        either half may be left out
//   gelu       h = drop(u Phi(u)), u = a + c, Phi the normal distribution function (exact GELU; Hendrycks and Gimpel 2016)
//
// x, y and their gradients (the residual stream) are float, the branches float or bfloat16; statistics and sums are float. The masks are those of
// kernels/dropout.h bit for bit; forward packs them 16 elements to a word, backward reads them. Work is shared out in chunks of kChunkRows rows: sums
// over rows are made per chunk and added in order, so no result depends on the number of threads. block_kernels_body.h is compiled for three
// instruction sets, chosen at start by the processor. docs/numerics.md, "Fused kernels", states Phi's polynomial and its error.
// Shape legend: R rows = samples * tokens, W elements of a row (a multiple of 16).
#pragma once

#include <cstdint>

#include "models/kernels/dropout.h"

namespace liere {

constexpr int64_t kChunkRows = 64;
constexpr int64_t chunks_of(int64_t rows) { return (rows + kChunkRows - 1) / kChunkRows; }

/// The mask of one site: element e = token * W + j of sample i is drawn as kernels/dropout.h says. No dropout where `bits` is null.
struct MaskPlan {
  uint16_t* bits = nullptr;  // [R, W / 16], bit j % 16 of word j / 16 set where element j is kept
  int64_t tokens = 1;        // rows of a sample
  const int64_t* slots = nullptr;  // [samples]; null: slot_i = first_slot + i
  int64_t first_slot = 0;
  uint32_t step = 0, site = 0;
  uint64_t key = 0;
  uint32_t threshold = 0;
  float scale = 1;
  const int64_t* device_step = nullptr;  // as in DropoutParams
};

struct NormPlan {
  const float *weight = nullptr, *bias = nullptr;  // [W]
  float eps = 1e-5f;
  float *mean = nullptr, *rstd = nullptr;  // [R]
};

/// T: float or Bfloat16Bits.
template <class T>
struct AddNormForward {
  int64_t rows, width;
  const float* x;                      // [R, W]
  const T* branch = nullptr;           // [R, W]; null: y = x, not written
  const float* branch_bias = nullptr;  // [W] or null
  MaskPlan mask;
  float* y = nullptr;   // [R, W]
  T* normed = nullptr;  // [R, W]; null: no norm
  NormPlan norm;
};

/// Gradients of the same: dx = dy + norm's part, dbranch = mask dx.
template <class T>
struct AddNormBackward {
  int64_t rows, width;
  const float* dy;             // [R, W]
  const T* dnormed = nullptr;  // [R, W]; null: no norm, and dx (= dy) is not written
  const float* y = nullptr;    // [R, W], as forward left it (x where there was no branch)
  NormPlan norm;
  MaskPlan mask;
  float* dx = nullptr;   // [R, W]; may be dy
  T* dbranch = nullptr;  // [R, W]; null: there was no branch
  // Sums per chunk [chunks, W], each null or written in full.
  float *dbranch_bias = nullptr, *dweight = nullptr, *dbias = nullptr;
};

template <class T>
struct GeluPlan {
  int64_t rows, width;
  const T* branch;    // [R, W]
  const float* bias;  // [W]
  MaskPlan mask;
  T* hidden = nullptr;         // forward: [R, W]
  const T* dhidden = nullptr;  // backward: [R, W]
  T* dbranch = nullptr;        // backward: [R, W]; may be dhidden
  float* dbias = nullptr;      // backward: [chunks, W]
};

/// Chunks [begin, end) of chunks_of(rows).
template <class T>
struct BlockKernels {
  void (*add_norm)(const AddNormForward<T>&, int64_t begin, int64_t end);
  void (*add_norm_backward)(const AddNormBackward<T>&, int64_t begin, int64_t end);
  void (*gelu)(const GeluPlan<T>&, int64_t begin, int64_t end);
  void (*gelu_backward)(const GeluPlan<T>&, int64_t begin, int64_t end);
};

/// The kernels for this processor.
template <class T>
const BlockKernels<T>& block_kernels();

/// sums [chunks, W] -> out [W], added in the order of the chunks.
void add_chunks(const float* sums, int64_t chunks, int64_t width, float* out);

// The forms that exist; block_kernels() chooses. Those for instruction sets of x86-64 are there only on x86-64.
namespace baseline {
extern const BlockKernels<float> kFloat;
extern const BlockKernels<Bfloat16Bits> kBfloat16;
}  // namespace baseline
namespace avx2 {
extern const BlockKernels<float> kFloat;
extern const BlockKernels<Bfloat16Bits> kBfloat16;
}  // namespace avx2
namespace avx512 {
extern const BlockKernels<float> kFloat;
extern const BlockKernels<Bfloat16Bits> kBfloat16;
}  // namespace avx512

}  // namespace liere
