// Random rotations and the measurement of orthogonality.
#include <torch/torch.h>

#include "core/check.h"
#include "models/vit.h"
#include "support/catch.h"
#include "train/eval/orthogonality.h"
#include "train/eval/random_rotations.h"

using namespace liere;

namespace {

VitConfig small(PositionConfig position) {
  VitConfig config;
  config.preset = Preset::kCustom;
  config.width = 32, config.heads = 2, config.depth = 3, config.mlp = 16;
  config.input_size = {24, 24}, config.patch = {4, 4};
  config.position = std::move(position);
  config.resolve();
  return config;
}

Rotations learned(PositionConfig position) {
  Vit model(small(std::move(position)), 4);
  model->initialize(1);
  return model->position().rotations(model->grid({24, 24}), false);
}

double deviation(const Rotations& set) { return rotation_error(set.kind, set.value).deviation; }

}  // namespace

TEST_CASE("random rotations are orthogonal, of the learned shape, and a function of the seed", "[eval]") {
  LiereConfig blocks;
  blocks.block_size = 8;
  for (const PositionConfig& position : {PositionConfig{blocks}, PositionConfig{RopeMixedConfig{}}, PositionConfig{VisionLlamaConfig{}}, PositionConfig{RopeConfig{}}}) {
    const auto before = learned(position);
    INFO(position.index());
    for (const auto scope : {RandomRotationScope::kPerToken, RandomRotationScope::kSame}) {
      const auto random = random_rotations(before, scope, 0);
      CHECK(random.kind == before.kind);
      CHECK(random.value.sizes() == before.value.sizes());
      CHECK(random.value.dtype() == before.value.dtype());
      CHECK(deviation(random) < 1e-5);
      CHECK(torch::equal(random.value, random_rotations(before, scope, 0).value));
      CHECK_FALSE(torch::equal(random.value, random_rotations(before, scope, 1).value));
      const auto first_token = random.value.narrow(1, 0, 1).expand_as(random.value);
      CHECK(torch::equal(random.value, first_token) == (scope == RandomRotationScope::kSame));
      if (random.value.size(0) > 1) CHECK_FALSE(torch::equal(random.value[0], random.value[1]));
      if (random.value.size(2) > 1) CHECK_FALSE(torch::equal(random.value.select(2, 0), random.value.select(2, 1)));
    }
  }
  CHECK_THROWS_AS(random_rotations(learned(NoPositionConfig{}), RandomRotationScope::kSame, 0), ConfigError);
  CHECK_THROWS_AS(random_rotations(learned(AbsoluteConfig{}), RandomRotationScope::kSame, 0), ConfigError);
}

TEST_CASE("random blocks are Haar-distributed: mean 0, variance 1/b, determinants of either sign", "[eval]") {
  LiereConfig blocks;
  blocks.block_size = 4;
  const auto random = random_rotations(learned(blocks), RandomRotationScope::kPerToken, 5).value.to(torch::kFloat64).reshape({-1, 4, 4});  // 3 layers x 36 x 2 x 4 = 864
  REQUIRE(random.size(0) == 864);
  // Entries have variance 1/4: the mean of 864 has standard error 0.017, the variance (of a Haar entry, fourth moment 3 / (b (b + 2))) 0.0085. Without the
  // sign fix the diagonal would have a mean far from 0.
  CHECK(random.mean(0).abs().max().item<double>() < 0.07);
  CHECK((random.square().mean(0) - 0.25).abs().max().item<double>() < 0.035);
  CHECK(std::abs(at::linalg_det(random).mean().item<double>()) < 0.14);  // of +-1: standard error 0.034
}

TEST_CASE("rotations are orthogonal to 1e-5 at every block size and start", "[eval]") {
  const TokenGrid trained{{8, 8}, {8, 8}}, large{{12, 12}, {8, 8}};
  for (const int64_t block : {2, 4, 8, 16, 32}) {
    for (const double scale : {1.0, 6.283185307179586}) {
      const auto generators = torch::rand({2, 1, 1, 1, block * (block - 1) / 2}, torch::kFloat32) * scale;
      INFO("block " << block << ", scale " << scale);
      for (const auto& grid : {trained, large}) {
        const auto error = generator_error(generators, grid, PositionRule::kSequential, block);
        CHECK(error.matrices == grid.tokens());
        CHECK(error.non_finite == 0);
        CHECK(error.deviation < 1e-5);
        CHECK(error.determinant < 1e-4);  // a product of b eigenvalues
      }
    }
  }
}

TEST_CASE("what is not orthogonal is measured as such", "[eval]") {
  auto matrices = torch::eye(3, torch::kFloat32).repeat({5, 1, 1});
  CHECK(rotation_error(Rotations::Kind::kBlocks, matrices).deviation == 0);
  matrices[2][0][0] = 2;
  const auto stretched = rotation_error(Rotations::Kind::kBlocks, matrices);
  CHECK(stretched.deviation == 3);
  CHECK(stretched.determinant == 1);
  matrices[4][1][1] = -1;
  CHECK(rotation_error(Rotations::Kind::kBlocks, matrices).determinant == 2);
  matrices[2][0][0] = std::nan("");
  const auto broken = rotation_error(Rotations::Kind::kBlocks, matrices);
  CHECK(broken.non_finite == 1);
  CHECK(broken.deviation == 0);
  const auto pairs = torch::tensor({1.0, 0.0, 0.6, 0.8, 2.0, 0.0}).view({3, 2});
  CHECK(rotation_error(Rotations::Kind::kPairs, pairs).deviation == Approx(3));
}
