// Mixup and CutMix applied to the tensors of a forward pass (data/mixup.h draws what is done; the equations stand there).
// Shape legend: B rows, C channels or classes.
#pragma once

#include <torch/torch.h>

#include "data/mixup.h"

namespace liere {

/// x [B, C, ..., rows, columns] -> the mixed batch, same shape. With pairing `neighbour` rows 2i and 2i+1 are partners (the pass must begin at an even
/// slot) and an odd last row stays as it is; with `flip` rows i and B-1-i.
torch::Tensor mix_inputs(const torch::Tensor& x, const Mix& mix, MixPairing pairing);

/// targets [B, classes], mixed as the inputs were.
torch::Tensor mix_targets(const torch::Tensor& targets_BC, const Mix& mix, MixPairing pairing);

/// labels [B] int64 -> targets [B, classes] in `dtype`: smoothed one-hot vectors (train/loss.h), mixed as the inputs were.
torch::Tensor mixed_targets(const torch::Tensor& labels_B, int64_t classes, double label_smoothing, const Mix& mix, MixPairing pairing, torch::Dtype dtype);

}  // namespace liere
