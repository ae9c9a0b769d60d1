// An encoding that the program does not have, written as docs/adding.md asks: what the conformance tests try beside the program's own, and a start for others.
//
// LieRE whose axes turn one after the other in place of together, R(p) = exp(p_n A_n) ... exp(p_1 A_1). Where the generators commute it is LieRE.
#pragma once

#include <algorithm>
#include <memory>
#include <numbers>
#include <vector>

#include "core/check.h"
#include "models/kernels/rotation_exp.h"
#include "models/position/generators.h"

namespace liere::test {

/// Would stand in models/position_config.h.
struct ExampleConfig {
  static constexpr auto kind = "example";
  int64_t block_size = 8;
  Share share = Share::kNone;
  double init_scale = 2 * std::numbers::pi;
  bool absolute = false;
  PositionRule positions = PositionRule::kSequential;
  std::string label() const { return "example LieRE_" + std::to_string(block_size); }
  void check(const HeadShape& head) const {
    if (head.dim % block_size != 0)
      throw ConfigError("model.position.block_size " + std::to_string(block_size) + " does not divide the head dimension " + std::to_string(head.dim) + ".");
  }
};
template <class V>
void fields(V& v, ExampleConfig& c) {
  v("block_size", c.block_size, "side of each rotation block; divides the head dimension", at_least(2));
  v("share", c.share, position_field::kShare);
  v("init_scale", c.init_scale, position_field::kInitScale, positive());
  v("absolute", c.absolute, position_field::kAbsolute);
  v("positions", c.positions, position_field::kPositions);
}

/// Would stand in models/position/example.{h,cpp}.
class Example : public GeneratorEncoding {
 public:
  Example(const GeneratorSettings& settings, const BackboneShape& shape) : GeneratorEncoding(settings, shape) {}

 private:
  /// exp(p_a A_a) [L, N, H, K, b, b].
  torch::Tensor turn(const torch::Tensor& generators_nLHKE, const torch::Tensor& positions_Nn, int64_t axis) const {
    return rotation_exp(generators_nLHKE.narrow(0, axis, 1), positions_Nn.narrow(1, axis, 1).contiguous(), learned_block(), path());
  }

  Rotations make_rotations(const torch::Tensor& generators_nLHKE, const torch::Tensor& positions_Nn) const override {
    auto r_LNHKbb = turn(generators_nLHKE, positions_Nn, 0);
    for (int64_t axis = 1; axis < positions_Nn.size(1); ++axis) r_LNHKbb = turn(generators_nLHKE, positions_Nn, axis).matmul(r_LNHKbb);
    return {.kind = Rotations::Kind::kBlocks, .value = r_LNHKbb};
  }

  /// With S_a the product of the factors on the left of a's, dL/dR_a R_a^T = S_a^T X' S_a.
  torch::Tensor gradient_of(const Rotations& set, const torch::Tensor& positions_Nn) const override {
    const auto all = generators();
    auto x_LNHKbb = set.gradient;
    std::vector<torch::Tensor> gradients;
    for (int64_t axis = positions_Nn.size(1) - 1; axis >= 0; --axis) {
      gradients.push_back(rotation_exp_gradient(all.narrow(0, axis, 1), positions_Nn.narrow(1, axis, 1).contiguous(), x_LNHKbb, path()));
      const auto r_LNHKbb = turn(all, positions_Nn, axis);
      x_LNHKbb = r_LNHKbb.mT().matmul(x_LNHKbb).matmul(r_LNHKbb);
    }
    std::reverse(gradients.begin(), gradients.end());
    return at::cat(gradients);
  }
};

/// Would stand in models/position_encoding.cpp.
inline std::shared_ptr<PositionEncoding> make(const ExampleConfig& c, const BackboneShape& shape) {
  return std::make_shared<Example>(GeneratorSettings{c.block_size, c.share, c.init_scale, c.absolute, c.positions}, shape);
}

}  // namespace liere::test
