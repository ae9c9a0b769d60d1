// Patches as vectors: [B, C, rows, columns] -> [B, N, C * patch], tokens in raster order, inside a vector the pixels in raster order with the channel
// fastest.
#pragma once

#include <torch/torch.h>

#include <vector>

namespace liere {

/// input [B, C, s1, ..., sn], patch sizes p1..pn dividing them -> [B, N, p1 ... pn C].
torch::Tensor patchify(const torch::Tensor& input, const std::vector<int64_t>& patch);

}  // namespace liere
