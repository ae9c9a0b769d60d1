#include "train/mixing.h"

namespace liere {
namespace {

/// The rows that have a partner, and these partners in the same order.
struct Pairs {
  torch::Tensor rows, partners;
};

Pairs pair_rows(const torch::Tensor& x, MixPairing pairing) {
  if (pairing == MixPairing::kFlip) return {x, x.flip(0)};
  const int64_t paired = x.size(0) / 2 * 2;
  const auto rows = x.narrow(0, 0, paired);
  return {rows, rows.unflatten(0, {-1, 2}).flip(1).flatten(0, 1)};
}

torch::Tensor with_unpaired(const torch::Tensor& mixed, const torch::Tensor& x) {
  return mixed.size(0) == x.size(0) ? mixed : at::cat({mixed, x.narrow(0, mixed.size(0), x.size(0) - mixed.size(0))}, 0);
}

}  // namespace

torch::Tensor mix_inputs(const torch::Tensor& x, const Mix& mix, MixPairing pairing) {
  if (mix.kind == Mix::Kind::kNone || x.size(0) == 0) return x;
  const auto [rows, partners] = pair_rows(x, pairing);
  if (mix.kind == Mix::Kind::kMixup) return with_unpaired(rows * mix.lambda + partners * (1 - mix.lambda), x);
  const auto& box = mix.box;
  const auto cut = [&box](const torch::Tensor& t) { return t.narrow(-2, box.top, box.bottom - box.top).narrow(-1, box.left, box.right - box.left); };
  auto mixed = rows.clone();
  cut(mixed).copy_(cut(partners));
  return with_unpaired(mixed, x);
}

torch::Tensor mix_targets(const torch::Tensor& targets_BC, const Mix& mix, MixPairing pairing) {
  if (mix.kind == Mix::Kind::kNone || targets_BC.size(0) == 0) return targets_BC;
  const auto [rows, partners] = pair_rows(targets_BC, pairing);
  return with_unpaired(rows * mix.lambda + partners * (1 - mix.lambda), targets_BC);
}

torch::Tensor mixed_targets(const torch::Tensor& labels_B, int64_t classes, double label_smoothing, const Mix& mix, MixPairing pairing, torch::Dtype dtype) {
  const double off = label_smoothing / static_cast<double>(classes), on = 1 - label_smoothing + off;
  const auto targets_BC = at::full({labels_B.size(0), classes}, off, labels_B.options().dtype(dtype)).scatter_(1, labels_B.unsqueeze(1), on);
  return mix_targets(targets_BC, mix, pairing);
}

}  // namespace liere
