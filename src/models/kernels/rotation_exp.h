// The matrix exponential of skew-symmetric blocks and its gradient (paper section 3: R(p) = exp(sum_a p_a A_a)). The CPU runs kernels/skew_exp.h;
// skew_exp and its gradient below are the reference of ATen operations, for every device and RotationPath::kReference.
//
//   forward   A = M / 2^s with ||A||_2 <= theta, E = exp(A) - I by a polynomial of degree 8 in 3 products, then s squarings E <- 2 E + E E.
//   backward  with Gamma = X - X^T for X = R^T dL/dR:  dL/dM = phi1(ad_M)[Gamma],  phi1(z) = (e^z - 1) / z:
//             a commutator series gives phi1(ad_A)[Gamma]; then, s times, Gamma <- (Gamma + X Gamma X^T) / 2 and X = I + E squared, because
//             phi1(2z) = phi1(z) (1 + e^z) / 2 and e^{ad_A}[Gamma] = X Gamma X^T. In the turned frame, X' = (dL/dR) R^T, M is replaced by -M.
//
// Scaling: ||M||_2 <= (tr M^4 / 2)^(1/4) (tight for skew matrices, whose eigenvalues come in pairs), s = ceil(log2(bound / theta)) for every matrix
// by itself. On the CPU the reference reads s, sorts the matrices by it, and step k works on those with s > k alone; on a GPU nothing is read by the
// host: a fixed number of steps (16 in fp32, 22 in fp64), each keeping the square only where s > k. A matrix beyond the reach (norm above 80,000 in
// fp32, where an angle has lost its meaning) or not finite becomes NaN rather than wrong: the step is skipped as non-finite. fp32: theta = 1.244 and
// Chebyshev coefficients on the imaginary axis (error 7.4e-8). fp64: theta = 0.05 and Taylor coefficients. M = 0 gives exactly I. Shape legend: n
// axes, L layers (1 if shared), N tokens, H heads (1 if shared), K blocks of a head, b block side, E = b (b - 1) / 2.
#pragma once

#include <torch/torch.h>

#include "models/rotation.h"

namespace liere {

/// How the number of squarings is found; the default is the device's way. kMasked runs anywhere, so that tests execute on the CPU what a GPU will.
enum class Squaring { kDevice, kMasked };

/// exp of each matrix: skew M [m, b, b], fp32 or fp64 -> [m, b, b]. Without autograd.
at::Tensor skew_exp(const at::Tensor& m_mbb, Squaring squaring = Squaring::kDevice);

/// dL/dM, as the skew matrix whose strict upper triangle is the gradient of M's strict upper triangle.
/// `x_mbb` is R^T dL/dR, or any matrix with the same X - X^T.
at::Tensor skew_exp_gradient(const at::Tensor& m_mbb, const at::Tensor& x_mbb, Squaring squaring = Squaring::kDevice);

/// The rays of positions [N, n] (float32 on the CPU) as int32 [count + 1 + N] on `device`: what ray_table (rays.h) finds. For PointRays::table.
at::Tensor ray_table_tensor(const at::Tensor& positions_Nn, torch::Device device);
/// What lets a GPU's kernels share work among points of a ray: the table, and in the gradient also what rotation_exp returned. Undefined: nothing is shared. The CPU
/// finds rays by itself.
struct PointRays {
  at::Tensor table, rotations_LNHKbb;
};

/// R [L, N, H, K, b, b] = exp(sum_a positions[N, a] A_a), A_a[j, k] = +entry for j < k and -entry below, from generators [n, L, H, K, E]; entries row
/// by row. positions [N, n] on the generators' device and in their dtype.
at::Tensor rotation_exp(const at::Tensor& generators_nLHKE, const at::Tensor& positions_Nn, int64_t block,
                        RotationPath path = RotationPath::kKernels, const PointRays& rays = {});

/// The gradient with respect to the generators [n, L, H, K, E] from X' = (dL/dR) R^T [L, N, H, K, b, b] (Rotations::gradient).
at::Tensor rotation_exp_gradient(const at::Tensor& generators_nLHKE, const at::Tensor& positions_Nn, const at::Tensor& x_LNHKbb,
                                 RotationPath path = RotationPath::kKernels, const PointRays& rays = {});

}  // namespace liere
