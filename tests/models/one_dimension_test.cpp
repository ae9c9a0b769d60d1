// In one dimension LieRE is RoPE with learned phases in another basis: A = U D U^T, and U goes into the projections of queries and keys. In two dimensions it is not,
// where the generators of the axes do not commute.
#include <torch/torch.h>

#include "models/vit.h"
#include "support/catch.h"

using namespace liere;

namespace {

Vit made(std::vector<int64_t> input_size, PositionConfig position, bool qkv_bias) {
  VitConfig config;
  config.preset = Preset::kCustom;
  config.patch = std::vector<int64_t>(input_size.size(), 1);
  config.input_size = std::move(input_size);
  config.width = 128;
  config.depth = 2;
  config.heads = 2;
  config.mlp = 64;
  config.qkv_bias = qkv_bias;
  config.position = position;
  config.resolve();
  Vit model(config, 5);
  model->initialize(21);
  model->to(torch::kFloat64);
  model->position().set_rotation_path(RotationPath::kReference);
  return model;
}

torch::Tensor weight(Vit& model, const std::string& name) {
  for (const auto& [found, tensor] : model->named_weights())
    if (found == name) return tensor.detach();
  FAIL("no weight " << name);
  return {};
}

torch::Tensor logits(Vit& model, const torch::Tensor& input) {
  const at::NoGradGuard no_grad;
  return model->forward(input, model->position().rotations(model->grid(input.sizes().slice(2).vec()), false));
}

torch::Tensor skew(const torch::Tensor& entries, int64_t b) {
  const auto above = at::triu_indices(b, b, 1);
  auto a = torch::zeros({b, b}, torch::kFloat64);
  a.index_put_({above[0], above[1]}, entries);
  return a - a.t();
}

struct Planes {
  torch::Tensor basis, theta;  // A = basis D basis^T, D of blocks [[0, theta], [-theta, 0]]
};

/// From the eigenvectors x + i y of the Hermitian i A: A x = lambda y and A y = -lambda x.
Planes planes_of(const torch::Tensor& a) {
  const auto [values, vectors] = torch::linalg_eigh(torch::complex(torch::zeros_like(a), a));
  const int64_t b = a.size(0), half = b / 2;
  const auto upper = vectors.narrow(1, half, half) * std::sqrt(2.0);  // of lambda > 0, ascending order
  return {torch::stack({torch::imag(upper), torch::real(upper)}, 2).reshape({b, b}), values.narrow(0, half, half)};
}

/// The model with pairs that should compute the same: frequencies of axis 0, and of further axes what is left of their generators in its planes.
Vit in_planes(Vit& liere, const std::vector<int64_t>& input_size, int64_t block, bool qkv_bias) {
  auto pairs = made(input_size, RopeMixedConfig{}, qkv_bias);
  const at::NoGradGuard no_grad;
  for (const auto& [name, target] : pairs->named_weights())
    if (name != "generators") target.copy_(weight(liere, name));
  const auto generators = weight(liere, "generators");  // [axes, L, H, K, b (b - 1) / 2]
  auto theta = weight(pairs, "generators");             // [axes, L, H, 32, 1]
  for (int64_t layer = 0; layer < 2; ++layer)
    for (int64_t head = 0; head < 2; ++head)
      for (int64_t k = 0; k < 64 / block; ++k) {
        const auto planes = planes_of(skew(generators.index({0, layer, head, k}), block));
        for (int64_t axis = 0; axis < generators.size(0); ++axis) {
          const auto inside = planes.basis.t().matmul(skew(generators.index({axis, layer, head, k}), block)).matmul(planes.basis);
          for (int64_t plane = 0; plane < block / 2; ++plane) theta.index_put_({axis, layer, head, k * block / 2 + plane, 0}, inside.index({2 * plane, 2 * plane + 1}));
        }
        for (const std::string part : {"weight", "bias"}) {
          if (part == "bias" && !qkv_bias) continue;
          auto qkv = weight(pairs, "block." + std::to_string(layer) + ".attention.qkv." + part);
          for (const int64_t of_keys : {0, 1}) {
            auto rows = qkv.narrow(0, of_keys * 128 + head * 64 + k * block, block);
            rows.copy_(planes.basis.t().matmul(rows.clone()));
          }
        }
      }
  return pairs;
}

double largest_difference(const std::vector<int64_t>& input_size, int64_t block, bool qkv_bias) {
  auto liere = made(input_size, LiereConfig{.block_size = block}, qkv_bias);
  auto pairs = in_planes(liere, input_size, block, qkv_bias);
  torch::manual_seed(5);
  std::vector<int64_t> shape = {3, 3};
  shape.insert(shape.end(), input_size.begin(), input_size.end());
  const auto input = torch::randn(shape, torch::kFloat64), expected = logits(liere, input);
  return ((logits(pairs, input) - expected).abs().max() / expected.abs().max()).item<double>();
}

}  // namespace

TEST_CASE("one dimension: LieRE of any block size is RoPE with learned phases after a change of basis", "[one_dimension]") {
  for (const int64_t block : {2, 4, 8, 64})
    for (const bool qkv_bias : {false, true}) {
      INFO("blocks of " << block << (qkv_bias ? ", biases" : ""));
      CHECK(largest_difference({24}, block, qkv_bias) < 1e-11);
    }
}

TEST_CASE("two dimensions: the same change of basis leaves LieRE's logits only for blocks of 2, where all rotations commute", "[one_dimension]") {
  CHECK(largest_difference({5, 6}, 2, false) < 1e-11);
  for (const int64_t block : {4, 8, 64}) {
    INFO("blocks of " << block);
    CHECK(largest_difference({5, 6}, block, false) > 1e-3);
  }
}

TEST_CASE("one dimension: frequencies and basis give the generator back, so every RoPE with learned phases is a LieRE", "[one_dimension]") {
  torch::manual_seed(2);
  for (const int64_t b : {2, 8, 64}) {
    const auto a = skew(torch::randn({b * (b - 1) / 2}, torch::kFloat64), b);
    const auto planes = planes_of(a);
    auto d = torch::zeros({b, b}, torch::kFloat64);
    for (int64_t plane = 0; plane < b / 2; ++plane) {
      d[2 * plane][2 * plane + 1] = planes.theta[plane];
      d[2 * plane + 1][2 * plane] = -planes.theta[plane];
    }
    CHECK((planes.basis.matmul(d).matmul(planes.basis.t()) - a).abs().max().item<double>() < 1e-12 * static_cast<double>(b));
    CHECK((planes.basis.t().matmul(planes.basis) - torch::eye(b, torch::kFloat64)).abs().max().item<double>() < 1e-13 * static_cast<double>(b));
  }
}
