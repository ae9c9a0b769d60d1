// RoPE-Mixed (Heo et al.): channel pair j of each layer and head turns by a learned mixture of the axes, f = sum_a p_a theta_a.
//
//   R = [[cos f, sin f], [-sin f, cos f]]     which is LieRE with b = 2: exp(f [[0, 1], [-1, 0]])
//
// Rotations' pairs turn the other way, so their angle is -f. dL/dtheta_a = -sum_p p_a dL/dangle.
#pragma once

#include "models/position/generators.h"

namespace liere {

class RopeMixed : public GeneratorEncoding {
 public:
  /// settings.block_size must be 2.
  RopeMixed(const GeneratorSettings& settings, const BackboneShape& shape) : GeneratorEncoding(settings, shape) {}

 protected:
  Rotations make_rotations(const torch::Tensor& generators_nLHKE, const torch::Tensor& positions_Nn) const override;
  torch::Tensor gradient_of(const Rotations& set, const torch::Tensor& positions_Nn) const override;
};

}  // namespace liere
