// The real spectral decomposition M = W D W^T of skew-symmetric matrices, kLanes of them side by side (one in each lane of every vector):
// W orthogonal with columns u_k, v_k; D pairs them: M v_k = theta_k u_k, M u_k = -theta_k v_k. Then exp(r M) = sum_k cos(r theta_k) (u u^T + v v^T) +
// sin(r theta_k) (u v^T - v u^T) for every r.
//
//   1  Householder reflections (Golub and Van Loan, section 8.3, skew form) take M to tridiagonal form T = Q^T M Q.
//   2  With even and odd indices apart, T = [0, B; -B^T, 0], B bidiagonal of half the side: its singular values are the theta_k. Golub and Kahan's
//   implicit
//      QR iteration with Wilkinson's shift; each lane has its own window, rotations outside it are the identity.
//   3  The rotations build the singular vectors, the reflections carry them back: W = Q [U, V].
// Backward stable: W D W^T = M + O(eps ||M||). docs/numerics.md has the counts and the measured errors.
#pragma once

#include "models/kernels/skew_bidiagonal.h"

namespace liere::LIERE_INSTRUCTION_SET {
namespace {

/// kSide: n as a constant, so that the loops of small sides unroll; 0: s.n.
template <class T, int kSide>
void decompose(const Spectral<T>& given) {
  Spectral<T> s = given;
  if constexpr (kSide > 0) {
    s.n = kSide;
    s.stride = kSide + 1;
  }
  tridiagonalise<T>(s);
  diagonalise<T>(s);
  transform_back<T>(s);
}

}  // namespace
}  // namespace liere::LIERE_INSTRUCTION_SET
