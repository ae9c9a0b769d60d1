// The training loss on hard labels and on the soft targets that Mixup and label smoothing make.
//
//   smoothing s over C classes:  off = s / C, on = 1 - s + off          (Szegedy et al. 2016)
//   cross_entropy:               -sum_c y_c log softmax(z)_c
//   binary_cross_entropy:        mean over classes of -[w_c y_c log sigmoid(z_c) + (1 - y_c) log(1 - sigmoid(z_c))], as DeiT III trains; w = pos_weight or 1
//   several labels a sample:     the same with y_c (1 - s) + s / 2
#pragma once

#include <torch/torch.h>

#include <vector>

#include "core/fields.h"

namespace liere {

enum class LossKind { kCrossEntropy, kBinaryCrossEntropy };
template <> struct EnumNames<LossKind> {
  static constexpr std::pair<LossKind, std::string_view> values[] = {{LossKind::kCrossEntropy, "cross_entropy"}, {LossKind::kBinaryCrossEntropy, "binary_cross_entropy"}};
};

struct LossConfig {
  LossKind kind = LossKind::kCrossEntropy;
  double label_smoothing = 0;
  std::vector<double> pos_weight;
};
template <class V> void fields(V& v, LossConfig& c) {
  v("kind", c.kind, "cross_entropy, or binary_cross_entropy over the classes");
  v("label_smoothing", c.label_smoothing, "part of the target that is spread over all classes", from_until(0, 1));
  v("pos_weight", c.pos_weight, "of binary_cross_entropy: factor on the term of a present class, one number for all classes or one for each (default: 1); liere-data stats prints negatives over positives", positive());
}

/// Sum over the rows of the loss of logits [B, classes] (fp32 or fp64) against hard labels [B] int64.
torch::Tensor loss_sum(const LossConfig& config, const torch::Tensor& logits_BC, const torch::Tensor& labels_B);
/// Throws ConfigError unless the loss serves data of so many classes, with one label per sample or several.
void check_loss(const LossConfig& config, int64_t classes, bool multi_label);
/// The same against soft targets [B, classes], which hold the smoothing already.
torch::Tensor soft_loss_sum(const LossConfig& config, const torch::Tensor& logits_BC, const torch::Tensor& targets_BC);

}  // namespace liere
