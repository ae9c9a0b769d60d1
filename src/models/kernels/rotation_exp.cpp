// ATen reference, for every device. Chunks keep the temporaries of one product in cache on the CPU and bound them on a GPU.
#include "models/kernels/rotation_exp.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <type_traits>
#include <vector>

#include "models/kernels/device_dispatch.h"
#include "models/kernels/rays.h"
#include "models/kernels/skew_exp.h"

namespace liere {
namespace {

/// Exact arithmetic for the exponential, whatever the caller runs under: no autograd, no autocast, no TF32.
class FullPrecision {
 public:
  FullPrecision() : before_(at::globalContext().float32MatmulPrecision()), no_autocast_(c10::autocast_dispatch_keyset) {
    if (before_ != at::Float32MatmulPrecision::HIGHEST) at::globalContext().setFloat32MatmulPrecision("highest");
  }
  ~FullPrecision() {
    if (before_ != at::Float32MatmulPrecision::HIGHEST)
      at::globalContext().setFloat32MatmulPrecision(before_ == at::Float32MatmulPrecision::HIGH ? "high" : "medium");
  }
  FullPrecision(const FullPrecision&) = delete;
  FullPrecision& operator=(const FullPrecision&) = delete;

 private:
  at::Float32MatmulPrecision before_;
  at::NoGradGuard no_grad_;
  c10::impl::ExcludeDispatchKeyGuard no_autocast_;
};

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

/// Positions of the strict upper triangle in a flattened b x b matrix, row by row; transposed: of the mirrored entries. No host copy.
at::Tensor upper_index(int64_t b, bool transposed, at::Device device) {
  const auto rows_columns = at::triu_indices(b, b, 1, at::TensorOptions(device).dtype(at::kLong));
  return rows_columns[transposed ? 1 : 0] * b + rows_columns[transposed ? 0 : 1];
}

at::Tensor skew_from_upper(const at::Tensor& upper, int64_t b) {
  auto shape = upper.sizes().vec();
  shape.back() = b * b;
  auto full = at::zeros(shape, upper.options());
  full.index_copy_(-1, upper_index(b, false, upper.device()), upper);
  full.index_copy_(-1, upper_index(b, true, upper.device()), upper.neg());
  shape.back() = b;
  shape.push_back(b);
  return full.view(shape);
}

/// Calls body(first layer, layers, first token, tokens) over pieces whose matrices hold about `budget` entries.
template <class Body>
void for_each_chunk(int64_t layers, int64_t tokens, int64_t entries_per_token, bool cpu, const Body& body) {
  const int64_t budget = cpu ? int64_t{1} << 18 : int64_t{1} << 26;
  const int64_t layer_step = std::clamp<int64_t>(budget / std::max<int64_t>(1, tokens * entries_per_token), 1, layers);
  const int64_t token_step = std::clamp<int64_t>(budget / std::max<int64_t>(1, layer_step * entries_per_token), 1, std::max<int64_t>(1, tokens));
  for (int64_t layer = 0; layer < layers; layer += layer_step)
    for (int64_t token = 0; token < tokens; token += token_step)
      body(layer, std::min(layer_step, layers - layer), token, std::min(token_step, tokens - token));
}

/// M [l, t, H K, b, b] = sum_a p_a A_a for a piece of the layers and tokens, as [l t H K, b, b]. Written out: p = 0 gives exactly 0.
at::Tensor exponents(const at::Tensor& a_nLGbb, const at::Tensor& positions_Nn, int64_t layer, int64_t layers, int64_t token, int64_t tokens) {
  const int64_t groups = a_nLGbb.size(2), b = a_nLGbb.size(3);
  at::Tensor m;
  for (int64_t axis = 0; axis < a_nLGbb.size(0); ++axis) {
    const auto p = positions_Nn.narrow(0, token, tokens).select(1, axis).view({1, tokens, 1, 1, 1});
    const auto a = a_nLGbb.select(0, axis).narrow(0, layer, layers).unsqueeze(1);
    m = m.defined() ? m.addcmul_(p, a) : p * a;
  }
  return m.view({layers * tokens * groups, b, b});
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

namespace {

at::Tensor reference_exp(const at::Tensor& generators_nLHKE, const at::Tensor& positions_Nn, int64_t block) {
  const FullPrecision guard;
  const int64_t layers = generators_nLHKE.size(1), heads = generators_nLHKE.size(2), blocks = generators_nLHKE.size(3), tokens = positions_Nn.size(0);
  const auto a_nLGbb = skew_from_upper(generators_nLHKE.detach(), block).flatten(2, 3);
  auto r_LNGbb = at::empty({layers, tokens, heads * blocks, block, block}, generators_nLHKE.options().requires_grad(false));
  for_each_chunk(layers, tokens, heads * blocks * block * block, r_LNGbb.is_cpu(), [&](int64_t layer, int64_t l, int64_t token, int64_t t) {
    auto piece = r_LNGbb.narrow(0, layer, l).narrow(1, token, t);
    piece.copy_(skew_exp(exponents(a_nLGbb, positions_Nn, layer, l, token, t)).view(piece.sizes()));
  });
  return r_LNGbb.view({layers, tokens, heads, blocks, block, block});
}

at::Tensor reference_exp_gradient(const at::Tensor& generators_nLHKE, const at::Tensor& positions_Nn, const at::Tensor& x_LNHKbb) {
  const FullPrecision guard;
  const int64_t axes = generators_nLHKE.size(0), layers = generators_nLHKE.size(1), tokens = positions_Nn.size(0), block = x_LNHKbb.size(-1);
  const auto a_nLGbb = skew_from_upper(generators_nLHKE.detach(), block).flatten(2, 3);
  const auto x_LNGbb = x_LNHKbb.flatten(2, 3);
  auto gradient_nLGbb = at::zeros_like(a_nLGbb);
  const int64_t groups = x_LNGbb.size(2);
  for_each_chunk(layers, tokens, groups * block * block, x_LNGbb.is_cpu(), [&](int64_t layer, int64_t l, int64_t token, int64_t t) {
    const auto m_mbb = exponents(a_nLGbb, positions_Nn, layer, l, token, t);
    const auto piece_mbb = x_LNGbb.narrow(0, layer, l).narrow(1, token, t).reshape(m_mbb.sizes());
    // phi1(ad_M)[X] = phi1(-ad_M)[X'] for X' = R X R^T.
    const auto dm_ltG = skew_exp_gradient(m_mbb.neg(), piece_mbb).view({l, t, groups * block * block});
    const auto p_nt = positions_Nn.narrow(0, token, t).t();
    const auto sum_nl = at::matmul(p_nt, dm_ltG).transpose(0, 1);  // dA_a = sum_p p_a dM_p
    gradient_nLGbb.narrow(1, layer, l).add_(sum_nl.reshape({axes, l, groups, block, block}));
  });
  return gradient_nLGbb.flatten(-2, -1).index_select(-1, upper_index(block, false, gradient_nLGbb.device())).view(generators_nLHKE.sizes());
}

/// The kernels' view of a call; `generators` and `positions` are kept contiguous here.
template <class T>
struct KernelCall {
  at::Tensor generators, positions;
  SkewExpPlan<T> plan;

  KernelCall(const at::Tensor& generators_nLHKE, const at::Tensor& positions_Nn, int64_t block)
      : generators(generators_nLHKE.detach().contiguous()), positions(positions_Nn.contiguous()) {
    plan = {.axes = generators.size(0),
            .layers = generators.size(1),
            .groups = generators.size(2) * generators.size(3),
            .tokens = positions.size(0),
            .block = block,
            .generators = generators.const_data_ptr<T>(),
            .positions = positions.const_data_ptr<T>()};
  }
};

/// Lets a device's kernels use the rays.
void set_rays(SkewExpPlan<float>& plan, const at::Tensor& table) {
  if (!table.defined()) return;
  plan.ray_count = table.numel() - 1 - plan.tokens;
  plan.ray_first = table.const_data_ptr<int32_t>();
  plan.ray_tokens = plan.ray_first + plan.ray_count + 1;
}

/// The GPU's kernels where they serve this call, else nullptr.
const DeviceExpKernels* device_exp(const KernelCall<float>& call) {
  const DeviceKernels* const device = device_kernels(call.generators);
  return device && device->exp.serves(call.plan) ? &device->exp : nullptr;
}

template <class T>
at::Tensor kernel_exp(const at::Tensor& generators_nLHKE, const at::Tensor& positions_Nn, int64_t block, const PointRays& rays) {
  KernelCall<T> call(generators_nLHKE, positions_Nn, block);
  const auto& g = call.generators;
  const auto r_LNHKbb = at::empty({g.size(1), call.plan.tokens, g.size(2), g.size(3), block, block}, g.options());
  call.plan.rotations = r_LNHKbb.template data_ptr<T>();
  if constexpr (std::is_same_v<T, float>)
    if (const DeviceExpKernels* const exp = device_exp(call)) {
      const c10::DeviceGuard device(g.device());
      set_rays(call.plan, rays.table);
      check_launch(exp->forward(call.plan, nullptr, stream_of(g)), "exp");
      return r_LNHKbb;
    }
  const auto& kernels = skew_exp_kernels<T>();
  at::parallel_for(0, kernels.items(call.plan), 1, [&](int64_t begin, int64_t end) { kernels.forward(call.plan, begin, end); });
  return r_LNHKbb;
}

template <class T>
at::Tensor kernel_exp_gradient(const at::Tensor& generators_nLHKE, const at::Tensor& positions_Nn, const at::Tensor& x_LNHKbb, const PointRays& rays) {
  KernelCall<T> call(generators_nLHKE, positions_Nn, x_LNHKbb.size(-1));
  const auto x = x_LNHKbb.contiguous();
  const auto gradient_nLHKE = at::empty_like(call.generators);
  call.plan.x = x.template const_data_ptr<T>();
  call.plan.gradient = gradient_nLHKE.template data_ptr<T>();
  if constexpr (std::is_same_v<T, float>)
    if (const DeviceExpKernels* const exp = device_exp(call)) {
      const c10::DeviceGuard device(x.device());
      const auto r = rays.rotations_LNHKbb.defined() ? rays.rotations_LNHKbb.contiguous() : at::Tensor();
      if (r.defined()) {
        call.plan.rotations = const_cast<float*>(r.template const_data_ptr<float>());  // backward only reads them
        set_rays(call.plan, rays.table);
      }
      // Freed on return: the allocator hands it out again only to work queued later on the same stream.
      const auto workspace = at::empty({exp->workspace(call.plan)}, x.options().dtype(at::kByte));
      check_launch(exp->backward(call.plan, workspace.data_ptr(), stream_of(x)), "exp's gradient");
      return gradient_nLHKE;
    }
  const auto& kernels = skew_exp_kernels<T>();
  at::parallel_for(0, kernels.items(call.plan), 1, [&](int64_t begin, int64_t end) { kernels.backward(call.plan, begin, end); });
  return gradient_nLHKE;
}

/// On the CPU the kernels serve every block side; on a GPU those of the device's table, in fp32.
bool kernels_serve(const at::Tensor& generators_nLHKE, const at::Tensor& positions_Nn, int64_t block, RotationPath path) {
  if (path != RotationPath::kKernels || generators_nLHKE.numel() == 0 || positions_Nn.numel() == 0) return false;
  if (generators_nLHKE.is_cpu()) return true;
  return generators_nLHKE.scalar_type() == at::kFloat && device_exp(KernelCall<float>(generators_nLHKE, positions_Nn, block)) != nullptr;
}

}  // namespace

at::Tensor ray_table_tensor(const at::Tensor& positions_Nn, torch::Device device) {
  const auto positions = positions_Nn.contiguous();
  const RayTable rays = ray_table(positions.const_data_ptr<float>(), positions.size(0), positions.size(1));
  const auto first = at::tensor(rays.first, at::kInt), tokens = at::tensor(rays.tokens, at::kInt);
  return at::cat({first, tokens}).to(device);
}

at::Tensor rotation_exp(const at::Tensor& generators_nLHKE, const at::Tensor& positions_Nn, int64_t block, RotationPath path, const PointRays& rays) {
  if (!kernels_serve(generators_nLHKE, positions_Nn, block, path)) return reference_exp(generators_nLHKE, positions_Nn, block);
  return generators_nLHKE.scalar_type() == at::kDouble ? kernel_exp<double>(generators_nLHKE, positions_Nn, block, rays)
                                                       : kernel_exp<float>(generators_nLHKE, positions_Nn, block, rays);
}

at::Tensor rotation_exp_gradient(const at::Tensor& generators_nLHKE, const at::Tensor& positions_Nn, const at::Tensor& x_LNHKbb, RotationPath path, const PointRays& rays) {
  if (!kernels_serve(generators_nLHKE, positions_Nn, x_LNHKbb.size(-1), path))
    return reference_exp_gradient(generators_nLHKE, positions_Nn, x_LNHKbb);
  return generators_nLHKE.scalar_type() == at::kDouble ? kernel_exp_gradient<double>(generators_nLHKE, positions_Nn, x_LNHKbb, rays)
                                                       : kernel_exp_gradient<float>(generators_nLHKE, positions_Nn, x_LNHKbb, rays);
}

}  // namespace liere
