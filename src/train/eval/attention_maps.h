// What the CLS token of each layer looks at (paper, figure of attention maps): its attention to the patches, mean over the heads.
#pragma once

#include <torch/torch.h>

#include <vector>

#include "data/sample.h"

namespace liere {

/// Per layer and sample, over the heads' mean of the CLS query's probabilities [B, H, T] (CLS first):
struct AttentionFigures {
  torch::Tensor patches_BN;  // of the patches, as they are (their sum is 1 - cls)
  torch::Tensor cls_B;       // what stays with the CLS token
  torch::Tensor entropy_B;   // of the patches' share, divided by log N: 1 is everywhere alike, 0 is one patch
};
AttentionFigures attention_figures(const torch::Tensor& probability_BHT);

/// [N] on a grid of rows x columns -> RGB of rows * patch_rows x columns * patch_columns pixels, scaled to 0..1 (the least is dark, the most bright), in the
/// colours of viridis, which a reader of greys and the colour-blind can order.
Frames attention_picture(const torch::Tensor& patches_N, int64_t rows, int64_t columns, int64_t patch_rows, int64_t patch_columns);

}  // namespace liere
