#include "train/loss.h"

#include "train/mixing.h"

namespace liere {

torch::Tensor soft_loss_sum(const LossConfig& config, const torch::Tensor& logits_BC, const torch::Tensor& targets_BC) {
  if (config.kind == LossKind::kCrossEntropy) return at::cross_entropy_loss(logits_BC, targets_BC, {}, at::Reduction::Sum);
  return at::binary_cross_entropy_with_logits(logits_BC, targets_BC, {}, {}, at::Reduction::Sum) / static_cast<double>(logits_BC.size(1));
}

torch::Tensor loss_sum(const LossConfig& config, const torch::Tensor& logits_BC, const torch::Tensor& labels_B) {
  if (config.kind == LossKind::kCrossEntropy) return at::cross_entropy_loss(logits_BC, labels_B, {}, at::Reduction::Sum, /*ignore_index=*/-100, config.label_smoothing);
  return soft_loss_sum(config, logits_BC, mixed_targets(labels_B, logits_BC.size(1), config.label_smoothing, {}, MixPairing::kNeighbour, logits_BC.scalar_type()));
}

}  // namespace liere
