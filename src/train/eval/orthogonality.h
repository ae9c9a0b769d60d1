// How far rotations are from orthogonal (paper section 4.M, check 1): max |R^T R - I| and max |det R - 1|, computed in float64 from R as it is.
#pragma once

#include "models/config.h"
#include "models/rotation.h"
#include "models/token_grid.h"

namespace liere {

struct RotationError {
  double deviation = 0;     // max |R^T R - I|
  double determinant = 0;   // max |det R - 1|
  int64_t non_finite = 0;   // entries that are no numbers; the maxima are over the matrices without them
  int64_t matrices = 0;

  void add(const RotationError& other);
};

/// Of matrices [.., b, b] (kBlocks) or cos and sin [.., 2] (kPairs).
RotationError rotation_error(Rotations::Kind kind, const torch::Tensor& values);

/// Of exp(sum_a p_a A_a) for generators [n, 1, H, K, E] at every position of the grid; made and measured a part of the tokens at a time.
RotationError generator_error(const torch::Tensor& generators_nLHKE, const TokenGrid& grid, PositionRule rule, int64_t block);

}  // namespace liere
