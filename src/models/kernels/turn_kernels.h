// Contract of the CPU's kernels that turn queries and keys (paper section 3: q' = R q, k' = R k), free of torch.
//
//   forward    x' = R x                       for x = q and k, every patch token
//   backward   dx = R^T dx'  and, where wanted,  X' += sum over the batch of dq' q'^T + dk' k'^T  in the same pass   (blocks; = (dL/dR) R^T)
//                                                dL/dangle += sum of x'_0 dx'_1 - x'_1 dx'_0                       (pairs)
//
// Input and output may be the same memory in the same layout (dq, dk may also lie over the turned q, k): the turned queries and keys are all that
// backward needs, so that a fused block turns them inside the qkv projection's output. T is float, bfloat16 or double (tests); rotations and
// gradients are float (double for double) and all sums are made in them. With AVX512_BF16, bfloat16 and b a multiple of 16, rotations are rounded to
// bfloat16 first. A work item is a range of tokens of its own for every head and sample: sums are made in the order of the samples, by one thread.
// Shape legend: B samples, T = N + 1 tokens (token 0 is CLS, which is never turned), H heads, Hr heads with rotations of their own (H, or 1 where
// shared), d head dimension, K = d / b blocks of side b, P = d / 2 pairs of channels.
#pragma once

#include <cstdint>

#include "models/kernels/dropout.h"
#include "models/kernels/head_strides.h"
#include "core/instruction_set.h"

namespace liere {

template <class T>
struct RotationScalar {
  using Type = float;
};
template <>
struct RotationScalar<double> {
  using Type = double;
};

/// Queries and keys in one layout.
template <class T>
struct QueriesKeys {
  T *q, *k;
  HeadStrides strides;
};

template <class T>
struct TurnPlan {
  using Scalar = typename RotationScalar<T>::Type;
  int64_t samples, tokens, heads, own_heads, dim;  // tokens with CLS
  int64_t block;                                   // b; 0: pairs
  const Scalar* rotations;                         // blocks [N, Hr, K, b, b]; pairs [N, Hr, P, 2]: cos, sin; (x0, x1) -> (c x0 - s x1, s x0 + c x1)
  QueriesKeys<const T> in;                         // forward: q, k; backward: dq', dk'
  QueriesKeys<T> out;                              // forward: q', k'; backward: dq, dk; CLS is copied where the memory is another
  QueriesKeys<const T> turned{};                   // backward with a gradient: q', k' as forward left them
  Scalar* gradient = nullptr;                      // blocks [N, Hr, K, b, b]; pairs [N, Hr, P]; added to; null: not wanted
};

template <class T>
struct TurnKernels {
  int64_t (*items)(const TurnPlan<T>&);
  /// Items [begin, end).
  void (*forward)(const TurnPlan<T>&, int64_t begin, int64_t end);
  void (*backward)(const TurnPlan<T>&, int64_t begin, int64_t end);
};

/// The kernels of an instruction set that this processor has; by default the best. T: float, Bfloat16Bits, double.
template <class T>
const TurnKernels<T>& turn_kernels(InstructionSet set = instruction_set());

// The forms that exist; turn_kernels() chooses. Those for instruction sets of x86-64 are there only on x86-64.
namespace baseline {
extern const TurnKernels<float> kTurnFloat;
extern const TurnKernels<Bfloat16Bits> kTurnBfloat16;
extern const TurnKernels<double> kTurnDouble;
}  // namespace baseline
namespace avx2 {
extern const TurnKernels<float> kTurnFloat;
extern const TurnKernels<Bfloat16Bits> kTurnBfloat16;
extern const TurnKernels<double> kTurnDouble;
}  // namespace avx2
namespace avx512 {
extern const TurnKernels<float> kTurnFloat;
extern const TurnKernels<Bfloat16Bits> kTurnBfloat16;
extern const TurnKernels<double> kTurnDouble;
}  // namespace avx512
namespace avx512_bf16 {  // AVX-512 with AVX512_BF16, chosen where the processor has both
extern const TurnKernels<Bfloat16Bits> kTurnBfloat16;
}  // namespace avx512_bf16

}  // namespace liere
