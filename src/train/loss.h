// The training loss on hard labels and on the soft targets that Mixup and label smoothing make.
//
//   smoothing s over C classes:  off = s / C, on = 1 - s + off          (Szegedy et al. 2016)
//   cross_entropy:               -sum_c y_c log softmax(z)_c
//   binary_cross_entropy:        mean over classes of -[y_c log sigmoid(z_c) + (1 - y_c) log(1 - sigmoid(z_c))], as DeiT III trains
#pragma once

#include <torch/torch.h>

#include "core/fields.h"

namespace liere {

enum class LossKind { kCrossEntropy, kBinaryCrossEntropy };
template <> struct EnumNames<LossKind> {
  static constexpr std::pair<LossKind, std::string_view> values[] = {{LossKind::kCrossEntropy, "cross_entropy"}, {LossKind::kBinaryCrossEntropy, "binary_cross_entropy"}};
};

struct LossConfig {
  LossKind kind = LossKind::kCrossEntropy;
  double label_smoothing = 0;
};
template <class V> void fields(V& v, LossConfig& c) {
  v("kind", c.kind, "cross_entropy, or binary_cross_entropy over the classes");
  v("label_smoothing", c.label_smoothing, "part of the target that is spread over all classes", from_until(0, 1));
}

/// Sum over the rows of the loss of logits [B, classes] (fp32 or fp64) against hard labels [B] int64.
torch::Tensor loss_sum(const LossConfig& config, const torch::Tensor& logits_BC, const torch::Tensor& labels_B);
/// The same against soft targets [B, classes], which hold the smoothing already.
torch::Tensor soft_loss_sum(const LossConfig& config, const torch::Tensor& logits_BC, const torch::Tensor& targets_BC);

}  // namespace liere
