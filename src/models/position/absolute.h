// A learned vector per token, added after the CLS token is prepended (DeiT III; ViViT in 3D). Row 0 belongs to CLS.
//
// At another size the patch rows, as a grid, are interpolated: linear in 1D, bicubic (a = -0.75) in 2D, trilinear in 3D,
// with source coordinate (i + 0.5) m0 / m - 0.5 (align_corners = false, no antialias); row 0 is kept.
#pragma once

#include "models/position_encoding.h"

namespace liere {

/// Table [1 + N0, W] of the training grid -> [1 + N, W] of `grid`. Differentiable.
torch::Tensor interpolate_absolute_table(const torch::Tensor& table_TW, const TokenGrid& grid);

class Absolute : public PositionEncoding {
 public:
  explicit Absolute(const BackboneShape& shape) { add_absolute_table(shape); }
};

}  // namespace liere
