// skew_exp and its gradient (rotation_exp.h) composed of ATen operations.
#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "models/kernels/full_precision.h"
#include "models/kernels/rotation_exp.h"

namespace liere {
namespace {

/// R = y0 I + y1 A + y2 A2 + (x3 A2 + A4)(x4 I + x5 A + x6 A2 + x7 A4), A4 = A2 (x1 A + x2 A2); valid for ||A||_2 <= theta.
/// `series` terms of sum_k ad_A^k / (k + 1)! leave less than the unit roundoff there (the eigenvalues of ad_A reach 2 theta).
struct Polynomial {
  double theta, x1, x2, x3, x4, x5, x6, x7, y0, y1, y2;
  int series, most_squarings;
};

/// Terms after which the rest of phi1's series at |z| = 2 theta is below `tolerance`.
int series_terms(double theta, double tolerance) {
  double term = 1;
  int k = 0;
  while (term > tolerance) term *= 2 * theta / (++k + 1);
  return k;
}

/// Chebyshev coefficients on i [-1.244, 1.244]: largest error 7.4e-8.
Polynomial chebyshev() {
  return {1.244,
          0.10362752861586016,
          0.02604745164797476,
          2.0 / 3,
          0.5466385119433734,
          0.1650228498014938,
          0.015489661943490973,
          0.03501382795005018,
          0.9999999953745466,
          0.9999994631521428,
          0.13557417573122724,
          series_terms(1.244, 5e-8),
          16};
}

/// Exactly the Taylor polynomial of degree 8; the coefficients solve the matching of powers, which is quadratic: hence the root of 177.
Polynomial taylor() {
  const double root = std::sqrt(177.0), x3 = 2.0 / 3, theta = 0.05;
  return {theta,
          x3 * (1 + root) / 88,
          x3 * (1 + root) / 352,
          x3,
          (29 * root - 271) / (315 * x3),
          11 * (root - 1) / (1260 * x3),
          11 * (root - 9) / (5040 * x3),
          (89 - root) / (5040 * x3 * x3),
          1,
          1,
          (857 - 58 * root) / 630,
          series_terms(theta, 1e-17),
          22};
}

const Polynomial& polynomial_for(at::ScalarType dtype) {
  static const Polynomial single = chebyshev(), exact = taylor();
  TORCH_CHECK(dtype == at::kFloat || dtype == at::kDouble, "the matrix exponential works in float32 or float64, not in ", dtype);
  return dtype == at::kFloat ? single : exact;
}

/// How often each matrix is squared, and which matrices take part in step k.
class Squarings {
 public:
  /// Scales A <- M / 2^s; on the CPU the matrices are sorted as well (restore() undoes the order).
  Squarings(const at::Tensor& m_mbb, const Polynomial& polynomial, Squaring squaring) {
    const auto m2 = at::bmm(m_mbb, m_mbb);
    const auto bound_m = m2.mul(m2).sum({1, 2}).div_(2).sqrt_().sqrt_();
    s_m11_ = bound_m.div(polynomial.theta).log2_().ceil_().clamp_min_(0).view({-1, 1, 1});
    a_mbb = m_mbb;
    a2_mbb = m2;
    steps_ = polynomial.most_squarings;
    s_m11_ = at::where(s_m11_ > steps_, std::numeric_limits<double>::quiet_NaN(), s_m11_);  // and NaN where the matrix is not finite
    if (m_mbb.is_cpu() && squaring == Squaring::kDevice) sort();
    const auto scale_m11 = s_m11_.neg().exp2_();
    a_mbb = a_mbb.mul(scale_m11);
    a2_mbb = a2_mbb.mul(scale_m11.square());
  }

  int64_t steps() const { return steps_; }
  bool sorted() const { return order_m_.defined(); }
  const at::Tensor& order() const { return order_m_; }
  at::Tensor restore(const at::Tensor& x_mbb) const { return sorted() ? at::empty_like(x_mbb).index_copy_(0, order_m_, x_mbb) : x_mbb; }

  /// The matrices that step k works on: a prefix (CPU) or all.
  at::Tensor active(const at::Tensor& x_mbb, int64_t k) const { return active_.empty() ? x_mbb : x_mbb.narrow(0, 0, active_[k]); }
  /// Puts the result of step k in place.
  void store(at::Tensor& x_mbb, const at::Tensor& result, int64_t k) const {
    if (active_.empty())
      x_mbb = at::where(s_m11_ > k, result, x_mbb);
    else if (active_[k] == x_mbb.size(0))
      x_mbb = result;
    else
      x_mbb.narrow(0, 0, active_[k]).copy_(result);
  }

  at::Tensor a_mbb, a2_mbb;  // the scaled matrices and their squares

 private:
  void sort() {
    const auto s_m = s_m11_.view(-1).to(at::kDouble).nan_to_num(0).contiguous();  // NaN stays what it is without being squared
    const int64_t count = s_m.numel();
    const double* const s = s_m.const_data_ptr<double>();
    order_m_ = at::empty({count}, at::kLong);
    int64_t* const order = order_m_.data_ptr<int64_t>();
    std::iota(order, order + count, int64_t{0});
    std::stable_sort(order, order + count, [s](int64_t i, int64_t j) { return s[i] > s[j]; });
    steps_ = count ? static_cast<int64_t>(s[order[0]]) : 0;
    for (int64_t k = 0; k < steps_; ++k) active_.push_back(std::count_if(s, s + count, [k](double value) { return value > static_cast<double>(k); }));
    if (std::is_sorted(order, order + count)) {
      order_m_ = at::Tensor();
      return;
    }
    a_mbb = a_mbb.index_select(0, order_m_);
    a2_mbb = a2_mbb.index_select(0, order_m_);
    s_m11_ = s_m11_.index_select(0, order_m_);
  }

  at::Tensor s_m11_, order_m_;
  std::vector<int64_t> active_;
  int64_t steps_ = 0;
};

/// E = exp(A) - I of matrices within the polynomial's reach. E rather than exp(A) is squared, (I + E)^2 - I = 2 E + E E: while E is small its
/// rounding errors are small too, and s squarings multiply what is lost in the first of them by 2^s.
at::Tensor base_exponential(const at::Tensor& a_mbb, const at::Tensor& a2_mbb, const Polynomial& p) {
  const auto a4_mbb = at::bmm(a2_mbb, at::add(a_mbb * p.x1, a2_mbb, p.x2));
  auto right_mbb = at::mul(a_mbb, p.x5).add_(a2_mbb, p.x6).add_(a4_mbb, p.x7);
  right_mbb.diagonal(0, 1, 2).add_(p.x4);
  auto rest_mbb = at::mul(a_mbb, p.y1).add_(a2_mbb, p.y2);
  rest_mbb.diagonal(0, 1, 2).add_(p.y0 - 1);
  return rest_mbb.baddbmm_(at::add(a4_mbb, a2_mbb, p.x3), right_mbb);
}

at::Tensor twice_skew_part(const at::Tensor& x_mbb) { return x_mbb - x_mbb.transpose(-2, -1); }

/// phi1(ad_A)[gamma]; with both skew, [A, T] = Y - Y^T for Y = A T.
at::Tensor commutator_series(const at::Tensor& a_mbb, const at::Tensor& gamma_mbb, int terms) {
  auto sum_mbb = gamma_mbb.clone(), term_mbb = gamma_mbb;
  for (int k = 1; k <= terms; ++k) {
    term_mbb = twice_skew_part(at::bmm(a_mbb, term_mbb)).mul_(1.0 / (k + 1));
    sum_mbb.add_(term_mbb);
  }
  return sum_mbb;
}

}  // namespace

at::Tensor skew_exp(const at::Tensor& m_mbb, Squaring squaring) {
  const FullPrecision guard;
  const Polynomial& polynomial = polynomial_for(m_mbb.scalar_type());
  const Squarings squarings(m_mbb, polynomial, squaring);
  auto e_mbb = base_exponential(squarings.a_mbb, squarings.a2_mbb, polynomial);
  for (int64_t k = 0; k < squarings.steps(); ++k) {
    const auto active = squarings.active(e_mbb, k);
    squarings.store(e_mbb, at::baddbmm(active, active, active, 2), k);
  }
  e_mbb.diagonal(0, 1, 2).add_(1);
  return squarings.restore(e_mbb);
}

at::Tensor skew_exp_gradient(const at::Tensor& m_mbb, const at::Tensor& x_mbb, Squaring squaring) {
  const FullPrecision guard;
  const Polynomial& polynomial = polynomial_for(m_mbb.scalar_type());
  const Squarings squarings(m_mbb, polynomial, squaring);
  auto gamma_mbb = twice_skew_part(squarings.sorted() ? x_mbb.index_select(0, squarings.order()) : x_mbb);
  gamma_mbb = commutator_series(squarings.a_mbb, gamma_mbb, polynomial.series);
  if (squarings.steps() == 0) return squarings.restore(gamma_mbb);
  auto e_mbb = base_exponential(squarings.a_mbb, squarings.a2_mbb, polynomial);
  for (int64_t k = 0; k < squarings.steps(); ++k) {
    const auto e = squarings.active(e_mbb, k), gamma = squarings.active(gamma_mbb, k);
    const auto left = at::baddbmm(gamma, e, gamma);  // X Gamma
    squarings.store(gamma_mbb, at::baddbmm(gamma + left, left, e.transpose(1, 2), 0.5, 0.5), k);
    if (k + 1 < squarings.steps()) squarings.store(e_mbb, at::baddbmm(e, e, e, 2), k);
  }
  return squarings.restore(gamma_mbb);
}

}  // namespace liere
