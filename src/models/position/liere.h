// LieRE (paper section 3): every block of b channels of each layer and head turns by R(p) = exp(sum_a p_a A_a), A_a learned and skew-symmetric.
// The exponential and its gradient are kernels/rotation_exp.h; b = 2 is RopeMixed.
#pragma once

#include "models/position/generators.h"

namespace liere {

class Liere : public GeneratorEncoding {
 public:
  Liere(const GeneratorSettings& settings, const BackboneShape& shape) : GeneratorEncoding(settings, shape) {}

 protected:
  Rotations make_rotations(const torch::Tensor& generators_nLHKE, const torch::Tensor& positions_Nn) const override;
  torch::Tensor gradient_of(const Rotations& set, const torch::Tensor& positions_Nn) const override;
};

}  // namespace liere
