// Contract of the CPU's exponential of skew-symmetric blocks and its gradient (paper section 3), free of torch:
//
//   forward    R(p) = exp(M_p),  M_p = sum_a p_a A_a  for every token p of every generator A
//   backward   dA_a = sum_p p_a phi1(-ad_{M_p})[skew part of X'_p],  X' = (dL/dR) R^T = sum over the batch of dq' q'^T + dk' k'^T, in the turned
//   frame
//              (with X = R^T X' R, the gradient before turning, phi1(ad_M)[X] = phi1(-ad_M)[X']: phi1(z) e^{-z} = phi1(-z)).
//
// Both through the real spectral decomposition of M_p (skew_spectral.h), computed for a vector of matrices side by side: its cost does not grow with
// the norm, all points of a ray share it, and phi1 is exact in its basis. Generators are formed on the fly; a work item holds all tokens of one
// generator, so that its gradient is summed by one thread and nothing depends on how the items are shared out. docs/numerics.md: derivation, rays,
// error budget. Non-finite generators, positions or gradients give non-finite results of their own matrices, never an error or a hang; so do angles
// beyond 80,000 in fp32 (1e9 in fp64), which have lost their meaning. M = 0 gives exactly I. Shape legend: n axes (1 to 3), L layers (1 if shared), N
// tokens, G = heads * blocks of a head, b block side, E = b (b - 1) / 2 entries of the strict upper triangle, row by row.
#pragma once

#include <cstdint>

#include "core/instruction_set.h"

namespace liere {

/// T: float, or double (tests: the same code).
template <class T>
struct SkewExpPlan {
  int64_t axes, layers, groups, tokens, block;
  const T* generators;     // [n, L, G, E]
  const T* positions;      // [N, n]
  T* rotations = nullptr;  // forward: [L, N, G, b, b], written
  const T* x = nullptr;    // backward: X' [L, N, G, b, b]; only its skew part counts
  T* gradient = nullptr;   // backward: [n, L, G, E], dL/dgenerators, written
  bool rays = true;        // points on one line through the origin share a decomposition: R(r p) = exp(r M_p)
  // On a GPU: the rays of ray_table (rays.h), in its memory; null: every token by itself. Backward then reads `rotations` as forward left them.
  const int32_t* ray_first = nullptr;   // [rays + 1] into ray_tokens
  const int32_t* ray_tokens = nullptr;  // [N]
  int64_t ray_count = 0;
};

template <class T>
struct SkewExpKernels {
  int64_t (*items)(const SkewExpPlan<T>&);
  /// Items [begin, end).
  void (*forward)(const SkewExpPlan<T>&, int64_t begin, int64_t end);
  void (*backward)(const SkewExpPlan<T>&, int64_t begin, int64_t end);
};

/// The kernels of an instruction set that this processor has; by default the best.
template <class T>
const SkewExpKernels<T>& skew_exp_kernels(InstructionSet set = instruction_set());

/// Floating-point operations of a plan's forward and backward, for the share of the machine's peak (2 per multiply-add; without the O(b^2) rest):
/// those of reflections and products as they are, those of the QR iteration by the mean length measured for random generators.
struct SkewExpWork {
  double forward, backward;
};
template <class T>
SkewExpWork skew_exp_work(const SkewExpPlan<T>& plan);

}  // namespace liere
