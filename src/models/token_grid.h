// Tokens of a picture, clip or volume as a grid, and their positions (paper section 3; paper.md "Token positions").
#pragma once

#include <torch/torch.h>

#include <vector>

#include "models/position_config.h"

namespace liere {

/// Tokens per axis, in raster order, last axis fastest: 2D token = row * columns + column.
struct TokenGrid {
  std::vector<int64_t> now;      // tokens per axis of this input
  std::vector<int64_t> trained;  // tokens per axis at the training size
  std::vector<double> extent = {};  // of the field of view per axis, in reference extents; empty where it is not known
  int64_t tokens() const;
  int64_t axes() const { return static_cast<int64_t>(now.size()); }
  bool operator==(const TokenGrid&) const = default;
};

/// Positions [N, n] in the training extent:
///   sequential: i * (m / m0) / (m - 1)   (end-inclusive linspace from 0 to m / m0)
///   fixed:      i / (m - 1)
///   index:      i
///   physical:   (i + 1/2) / m * extent                            centres of the tokens; the extent is that of the field of view whatever m is
/// m = 1 gives 0 but for physical. dtype float32 or float64 (computed in float64, rounded once).
torch::Tensor grid_positions(const TokenGrid& grid, PositionRule rule, torch::Dtype dtype);

}  // namespace liere
