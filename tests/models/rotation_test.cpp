// Properties of the matrix exponential, its gradient, and of turning q and k.
#include <cmath>

#include "models/kernels/apply.h"
#include "models/kernels/rotation_exp.h"
#include "support/catch.h"

using namespace liere;

namespace {

/// Seeded values for tests alone, N(0, 1)-like; Philox is the program's business.
torch::Tensor noise(std::vector<int64_t> shape, torch::Dtype dtype, int64_t salt = 0) {
  int64_t count = 1;
  for (const int64_t size : shape) count *= size;
  const auto i = torch::arange(count, torch::kDouble) + static_cast<double>(salt * 7919 + 1);
  const auto hash = [&](double a) {
    const auto x = (i * a).sin() * 43758.5453;
    return x - x.floor();
  };
  return (hash(12.9898) + hash(78.233) + hash(37.719) - 1.5).mul(2).view(shape).to(dtype);
}

/// Skew matrices of the given 2-norms (exactly zero for norm 0).
torch::Tensor skew_matrices(const std::vector<double>& norms, int64_t b, torch::Dtype dtype, int64_t salt = 0) {
  const auto x = noise({static_cast<int64_t>(norms.size()), b, b}, torch::kDouble, salt);
  const auto skew = x - x.transpose(1, 2);
  const auto size = at::linalg_matrix_norm(skew, 2, {-2, -1}, false);
  return (skew * (torch::tensor(norms, torch::kDouble) / size).view({-1, 1, 1})).to(dtype);
}

const std::vector<double> kNorms = {0, 0.1, 0.6, 1.2, 1.3, 5, 37, 150, 400};

constexpr RotationPath kPaths[] = {RotationPath::kReference, RotationPath::kKernels};
const char* name_of(RotationPath path) { return path == RotationPath::kKernels ? "kernels" : "reference"; }

double largest(const torch::Tensor& x) { return x.abs().max().item<double>(); }

struct ApplyCase {
  Rotations::Kind kind;
  int64_t block, dim, heads, own_heads;
};

/// q and k of one layer by plain autograd operations: the definition, written with full matrices and CLS as identity.
struct Reference {
  torch::Tensor qkv, parameter, q, k, v;  // parameter: R [N, Hr, K, b, b], or the angle [N, Hr, P]
};
Reference reference(const ApplyCase& c, const torch::Tensor& qkv, const torch::Tensor& parameter) {
  Reference r{qkv.detach().clone().requires_grad_(), parameter.detach().clone().requires_grad_(), {}, {}, {}};
  auto matrices = r.parameter;
  if (c.kind == Rotations::Kind::kPairs) {
    const auto cosine = r.parameter.cos(), sine = r.parameter.sin();
    matrices = torch::stack({torch::stack({cosine, -sine}, -1), torch::stack({sine, cosine}, -1)}, -2);
  }
  matrices = matrices.expand({matrices.size(0), c.heads, matrices.size(2), c.block, c.block});
  const auto identity = torch::eye(c.block, matrices.options()).expand({1, c.heads, matrices.size(2), c.block, c.block});
  const auto all = torch::cat({identity, matrices});  // [T, H, K, b, b]
  const auto parts = r.qkv.view({qkv.size(0), qkv.size(1), 3, c.heads, c.dim / c.block, c.block}).unbind(2);
  const auto turn_one = [&](const torch::Tensor& x) { return torch::einsum("thkij,bthkj->bhtki", {all, x}).flatten(3); };
  r.q = turn_one(parts[0]);
  r.k = turn_one(parts[1]);
  r.v = parts[2].flatten(3).transpose(1, 2);
  return r;
}

}  // namespace

TEST_CASE("exp of skew matrices is orthogonal at every norm and exactly I at zero") {
  for (const int64_t b : {3, 4, 8, 16, 64}) {
    const auto exact = skew_exp(skew_matrices(kNorms, b, torch::kDouble));
    for (const auto dtype : {torch::kDouble, torch::kFloat}) {
      const auto r = skew_exp(skew_matrices(kNorms, b, torch::kDouble).to(dtype));
      const auto identity = torch::eye(b, dtype);
      const double error = largest(r.transpose(1, 2).matmul(r) - identity);
      INFO("b = " << b << ", " << dtype << ": " << error);
      CHECK(torch::equal(r[0], identity));
      CHECK(error <= (dtype == torch::kDouble ? 1e-12 : 5e-5));
      if (dtype == torch::kFloat) CHECK(largest(r.to(torch::kDouble) - exact) <= 5e-5);
    }
  }
}

TEST_CASE("the squaring that a GPU uses (masked, nothing read by the host) agrees with the CPU's, and says NaN beyond its reach") {
  for (const auto dtype : {torch::kDouble, torch::kFloat})
    for (const int64_t b : {4, 8, 64}) {
      const auto m = skew_matrices(kNorms, b, dtype), g = noise({m.size(0), b, b}, dtype, 3);
      const double tolerance = dtype == torch::kDouble ? 1e-12 : 2e-5;
      CHECK(largest(skew_exp(m, Squaring::kMasked) - skew_exp(m)) <= tolerance);
      const auto expected = skew_exp_gradient(m, g);
      CHECK(largest(skew_exp_gradient(m, g, Squaring::kMasked) - expected) <= tolerance * largest(expected));
      const auto beyond = skew_matrices({1.0, 1e9}, b, dtype);
      CHECK(torch::isfinite(skew_exp(beyond, Squaring::kMasked)[0]).all().item<bool>());
      CHECK(torch::isnan(skew_exp(beyond, Squaring::kMasked)[1]).all().item<bool>());
    }
}

TEST_CASE("exp agrees with a plain Taylor series, and does not depend on the other matrices of the batch") {
  for (const int64_t b : {4, 8, 64}) {
    const auto m = skew_matrices(kNorms, b, torch::kDouble);
    auto series = torch::eye(b, torch::kDouble).expand(m.sizes()).clone(), term = series;
    const auto small = m / 1024;
    for (int k = 1; k <= 18; ++k) {
      term = term.matmul(small) / k;
      series = series + term;
    }
    for (int k = 0; k < 10; ++k) series = series.matmul(series);
    const auto r = skew_exp(m);
    CHECK(largest(r - series) <= 1e-11);
    for (int64_t i = 0; i < m.size(0); ++i) CHECK(largest(skew_exp(m.narrow(0, i, 1)) - r.narrow(0, i, 1)) <= 1e-12);
  }
}

TEST_CASE("gradient of exp against central differences at every norm") {
  for (const int64_t b : {4, 8, 64}) {
    const auto m = skew_matrices(kNorms, b, torch::kDouble), g = noise({m.size(0), b, b}, torch::kDouble, 3);
    const std::vector<double> ones(kNorms.size(), 1.0);
    const auto direction = skew_matrices(ones, b, torch::kDouble, 5);
    const auto x = skew_exp(m).transpose(1, 2).matmul(g);
    const auto gradient = skew_exp_gradient(m, x);
    const double h = 1e-4;
    const auto numeric = ((skew_exp(m + h * direction) - skew_exp(m - h * direction)) * g).sum({1, 2}) / (2 * h);
    const auto analytic = (gradient * direction).triu(1).sum({1, 2});
    INFO("b = " << b);
    CHECK(largest((numeric - analytic) / g.norm(2, {1, 2})) <= 1e-7);
    const auto single = skew_exp_gradient(m.to(torch::kFloat), x.to(torch::kFloat)).to(torch::kDouble);
    CHECK(largest((single - gradient).norm(2, {1, 2}) / gradient.norm(2, {1, 2})) <= 1e-4);
  }
}

TEST_CASE("the gradient's input counts through X - X^T alone") {
  const auto m = skew_matrices(kNorms, 8, torch::kDouble), x = noise({m.size(0), 8, 8}, torch::kDouble, 2);
  CHECK(largest(skew_exp_gradient(m, x) - skew_exp_gradient(m, (x - x.transpose(1, 2)) / 2)) <= 1e-12);
}

TEST_CASE("rotations of generators and their gradients: kernels, reference and central differences agree") {
  struct Case {
    int64_t axes, layers, heads, blocks, block;
  };
  for (const Case c : {Case{1, 1, 1, 1, 4}, {2, 2, 2, 3, 8}, {2, 1, 2, 1, 16}, {3, 2, 1, 2, 5}, {2, 1, 1, 1, 64}, {2, 3, 7, 8, 8}}) {
    INFO("axes " << c.axes << ", layers " << c.layers << ", heads " << c.heads << ", blocks " << c.blocks << ", block " << c.block);
    const auto generators = noise({c.axes, c.layers, c.heads, c.blocks, c.block * (c.block - 1) / 2}, torch::kDouble).mul_(3);
    const auto index = torch::arange(9, torch::kDouble);
    const auto positions = torch::stack({index.remainder(3) / 2, index.div(3).floor() / 2, index / 8}, 1).narrow(1, 0, c.axes).contiguous();
    const auto r = rotation_exp(generators, positions, c.block), plain = rotation_exp(generators, positions, c.block, RotationPath::kReference);
    CHECK(largest(r - plain) <= 1e-11);
    const auto weight = noise(r.sizes().vec(), torch::kDouble, 4), x = weight.matmul(r.transpose(-2, -1));  // L = sum(weight R)
    const auto gradient = rotation_exp_gradient(generators, positions, x);
    const auto plain_gradient = rotation_exp_gradient(generators, positions, x, RotationPath::kReference);
    CHECK(gradient.sizes() == generators.sizes());
    CHECK(largest(gradient - plain_gradient) <= 1e-11 * largest(plain_gradient));
    const auto direction = noise(generators.sizes().vec(), torch::kDouble, 6);
    const double h = 1e-5;
    const auto value = [&](double step) { return (rotation_exp(generators + step * direction, positions, c.block) * weight).sum().item<double>(); };
    const double numeric = (value(h) - value(-h)) / (2 * h), analytic = (gradient * direction).sum().item<double>();
    CHECK(std::abs(numeric - analytic) <= 1e-7 * (std::abs(numeric) + weight.norm().item<double>()));
    const auto single = rotation_exp(generators.to(torch::kFloat), positions.to(torch::kFloat), c.block);
    CHECK(largest(single.to(torch::kDouble) - r) <= 5e-5);
    const auto single_gradient =
        rotation_exp_gradient(generators.to(torch::kFloat), positions.to(torch::kFloat), x.to(torch::kFloat)).to(torch::kDouble);
    CHECK((single_gradient - gradient).norm().item<double>() <= 1e-4 * gradient.norm().item<double>());
  }
}

TEST_CASE("generators and positions that are not finite give rotations that are not, and nothing else suffers") {
  const auto positions = torch::tensor({{0.0f, 0.0f}, {0.5f, 0.25f}});
  for (const RotationPath path : kPaths)
    for (const float bad : {std::nanf(""), std::numeric_limits<float>::infinity(), 1e30f}) {
      INFO(name_of(path) << ", " << bad);
      auto generators = noise({2, 1, 2, 1, 28}, torch::kFloat);
      generators.index_put_({0, 0, 1, 0, 3}, bad);
      const auto r = rotation_exp(generators, positions, 8, path);
      CHECK(torch::isfinite(r.select(2, 0)).all().item<bool>());
      CHECK_FALSE(torch::isfinite(r.select(1, 1).select(1, 1)).any().item<bool>());
      const auto gradient = rotation_exp_gradient(generators, positions, noise(r.sizes().vec(), torch::kFloat, 2), path);
      CHECK(torch::isfinite(gradient.select(2, 0)).all().item<bool>());
      CHECK_FALSE(torch::isfinite(gradient.select(2, 1)).any().item<bool>());
    }
}

TEST_CASE("apply turns q and k as the definition says, with its gradients") {
  const int64_t batch = 3, tokens = 5;
  using Kind = Rotations::Kind;
  for (const RotationPath path : kPaths)
    for (const ApplyCase c : {ApplyCase{Kind::kBlocks, 4, 8, 2, 2},
                              {Kind::kBlocks, 8, 16, 3, 1},
                              {Kind::kBlocks, 6, 48, 2, 2},
                              {Kind::kBlocks, 64, 64, 2, 2},
                              {Kind::kPairs, 2, 8, 2, 2},
                              {Kind::kPairs, 2, 12, 3, 1}}) {
      INFO(name_of(path) << ", block " << c.block << ", dim " << c.dim << ", heads " << c.heads << ", own " << c.own_heads);
      const bool pairs = c.kind == Kind::kPairs;
      const auto qkv = noise({batch, tokens + 1, 3 * c.heads * c.dim}, torch::kDouble);
      const auto parameter =
          pairs ? noise({tokens, c.own_heads, c.dim / 2}, torch::kDouble, 1)
                : skew_exp(skew_matrices(std::vector<double>(tokens * c.own_heads * (c.dim / c.block), 2.0), c.block, torch::kDouble))
                      .view({tokens, c.own_heads, c.dim / c.block, c.block, c.block});
      const auto expected = reference(c, qkv, parameter);
      const auto value = pairs ? torch::stack({parameter.cos(), parameter.sin()}, -1) : parameter;
      const Rotations set{c.kind, torch::stack({torch::zeros_like(value), value}), torch::zeros_like(torch::stack({parameter, parameter})), path};
      const auto ours = qkv.detach().clone().requires_grad_();
      const auto [q, k, v] = apply_rotations(ours, c.heads, set, /*layer=*/1);
      CHECK(largest(q - expected.q) <= 1e-13);
      CHECK(largest(k - expected.k) <= 1e-13);
      CHECK(torch::equal(v, expected.v));
      CHECK(torch::equal(q.select(2, 0), expected.q.select(2, 0)));  // CLS, to the bit
      CHECK((q.is_contiguous() && k.is_contiguous() && v.is_contiguous()));
      const auto wq = noise(q.sizes().vec(), torch::kDouble, 2), wk = noise(q.sizes().vec(), torch::kDouble, 3),
                 wv = noise(q.sizes().vec(), torch::kDouble, 4);
      ((q * wq).sum() + (k * wk).sum() + (v * wv).sum()).backward();
      ((expected.q * wq).sum() + (expected.k * wk).sum() + (expected.v * wv).sum()).backward();
      CHECK(largest(ours.grad() - expected.qkv.grad()) <= 1e-12);
      CHECK(largest(set.gradient[0]) == 0);
      const auto accumulated = pairs ? expected.parameter.grad() : expected.parameter.grad().matmul(parameter.transpose(-2, -1));
      CHECK(largest(set.gradient[1] - accumulated) <= 1e-12);
    }
}

TEST_CASE("apply accumulates over micro-batches: two halves are the whole") {
  const auto qkv = noise({4, 7, 3 * 2 * 8}, torch::kDouble), weight = noise({4, 2, 7, 8}, torch::kDouble, 1);
  const auto value = skew_exp(skew_matrices(std::vector<double>(6 * 2 * 2, 1.5), 4, torch::kDouble)).view({1, 6, 2, 2, 4, 4});
  const auto accumulate = [&](RotationPath path, const std::vector<std::pair<int64_t, int64_t>>& pieces) {
    const Rotations set{Rotations::Kind::kBlocks, value, torch::zeros_like(value), path};
    for (const auto& [begin, count] : pieces) {
      const auto x = qkv.narrow(0, begin, count).detach().clone().requires_grad_();
      const auto [q, k, v] = apply_rotations(x, 2, set, 0);
      ((q * k * weight.narrow(0, begin, count)).sum() + (q * v).sum()).backward();
    }
    return set.gradient;
  };
  for (const RotationPath path : kPaths) {
    const auto whole = accumulate(path, {{0, 4}});
    CHECK(largest(whole) > 0);
    CHECK(largest(accumulate(path, {{0, 2}, {2, 2}}) - whole) <= 1e-12);
    CHECK(largest(accumulate(path, {{0, 1}, {1, 3}}) - whole) <= 1e-12);
  }
}

TEST_CASE("apply in bf16 stays within bf16's rounding and accumulates in float32") {
  for (const RotationPath path : kPaths)
    for (const bool pairs : {false, true}) {
      const auto qkv = noise({3, 7, 3 * 2 * 8}, torch::kFloat);
      const auto angle = noise({1, 6, 2, 4}, torch::kFloat, 1);
      const auto value = pairs ? torch::stack({angle.cos(), angle.sin()}, -1)
                               : skew_exp(skew_matrices(std::vector<double>(6 * 2 * 2, 1.5), 4, torch::kFloat)).view({1, 6, 2, 2, 4, 4});
      const auto run = [&](torch::Dtype dtype) {
        const Rotations set{pairs ? Rotations::Kind::kPairs : Rotations::Kind::kBlocks, value,
                            pairs ? torch::zeros_like(angle) : torch::zeros_like(value), path};
        const auto x = qkv.to(dtype).clone().requires_grad_();
        const auto [q, k, v] = apply_rotations(x, 2, set, 0);
        CHECK(q.scalar_type() == dtype);
        // Not (q . k) itself: turning both leaves that unchanged, and the gradient would vanish.
        (q * k * noise({8}, torch::kFloat, 2).to(dtype)).sum().backward();
        return std::tuple{q.to(torch::kFloat), set.gradient, x.grad().to(torch::kFloat)};
      };
      const auto [q, gamma, dx] = run(torch::kFloat);
      const auto [q16, gamma16, dx16] = run(torch::kBFloat16);
      CHECK(gamma16.scalar_type() == torch::kFloat);
      CHECK(largest(q16 - q) <= 0.03 * largest(q));
      CHECK(largest(gamma16 - gamma) <= 0.05 * largest(gamma));
      CHECK(largest(dx16 - dx) <= 0.05 * largest(dx));
    }
}

TEST_CASE("apply refuses rotations of another grid") {
  const Rotations set{Rotations::Kind::kBlocks, torch::eye(4).expand({1, 5, 2, 2, 4, 4}).contiguous(), {}};
  CHECK_THROWS(apply_rotations(torch::zeros({1, 7, 3 * 2 * 8}), 2, set, 0));
  CHECK_THROWS(apply_rotations(torch::zeros({1, 6, 3 * 4 * 8}), 4, set, 0));
}
