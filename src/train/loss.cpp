#include "train/loss.h"

#include "core/check.h"
#include "train/mixing.h"

namespace liere {

torch::Tensor soft_loss_sum(const LossConfig& config, const torch::Tensor& logits_BC, const torch::Tensor& targets_BC) {
  if (config.kind == LossKind::kCrossEntropy) return at::cross_entropy_loss(logits_BC, targets_BC, {}, at::Reduction::Sum);
  torch::Tensor weight_C;
  if (!config.pos_weight.empty()) {
    weight_C = at::empty({static_cast<int64_t>(config.pos_weight.size())}, logits_BC.options());
    for (size_t c = 0; c < config.pos_weight.size(); ++c) weight_C[static_cast<int64_t>(c)].fill_(config.pos_weight[c]);  // no copy from the host, which a recorded step could not hold
    weight_C = weight_C.expand({logits_BC.size(1)});
  }
  return at::binary_cross_entropy_with_logits(logits_BC, targets_BC, {}, weight_C, at::Reduction::Sum) / static_cast<double>(logits_BC.size(1));
}

void check_loss(const LossConfig& config, int64_t classes, bool multi_label) {
  const bool binary = config.kind == LossKind::kBinaryCrossEntropy;
  if (multi_label && !binary)
    throw ConfigError("loss.kind is " + std::string(name_of(config.kind)) + ", but the samples have several labels each. Use loss.kind=binary_cross_entropy.");
  if (config.pos_weight.empty()) return;
  if (!binary) throw ConfigError("loss.pos_weight is a part of loss.kind: binary_cross_entropy. Set that kind, or leave pos_weight out.");
  if (config.pos_weight.size() != 1 && static_cast<int64_t>(config.pos_weight.size()) != classes)
    throw ConfigError("loss.pos_weight has " + std::to_string(config.pos_weight.size()) + " numbers, expected 1 or one for each of the " + std::to_string(classes) + " classes.");
}

torch::Tensor loss_sum(const LossConfig& config, const torch::Tensor& logits_BC, const torch::Tensor& labels_B) {
  if (config.kind == LossKind::kCrossEntropy) return at::cross_entropy_loss(logits_BC, labels_B, {}, at::Reduction::Sum, /*ignore_index=*/-100, config.label_smoothing);
  return soft_loss_sum(config, logits_BC, mixed_targets(labels_B, logits_BC.size(1), config.label_smoothing, {}, MixPairing::kNeighbour, logits_BC.scalar_type()));
}

}  // namespace liere
