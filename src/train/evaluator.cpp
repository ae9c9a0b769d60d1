#include "train/evaluator.h"

#include <algorithm>

#include "core/check.h"
#include "core/log.h"
#include "core/rng.h"
#include "data/loader.h"
#include "models/autocast.h"
#include "train/loader_options.h"
#include "train/signals.h"

namespace liere {
namespace {

/// [B, N] int64: the permutation of each sample's patches, from (seed, sample index) alone.
torch::Tensor patch_permutations(uint64_t seed, const torch::Tensor& indices_B, int64_t tokens) {
  auto permutation_BN = torch::empty({indices_B.size(0), tokens}, torch::kInt64);
  for (int64_t i = 0; i < indices_B.size(0); ++i) {
    const auto order = Rng(seed, Purpose::kShuffle, static_cast<uint32_t>(std::max<int64_t>(indices_B[i].item<int64_t>(), 0))).permutation(tokens);
    std::copy(order.begin(), order.end(), permutation_BN[i].data_ptr<int64_t>());
  }
  return permutation_BN;
}

/// Adds a batch's sums; rows of weight 0 are padding.
void add_batch(Classification& sums, const torch::Tensor& logits_BC, const torch::Tensor& labels_B, const torch::Tensor& weights_B) {
  const auto logits = logits_BC.to(torch::promoteTypes(logits_BC.scalar_type(), torch::kFloat32));
  const auto real_B = weights_B > 0;
  const auto loss_B = at::cross_entropy_loss(logits, labels_B, {}, at::Reduction::None).to(torch::kFloat64);
  const auto top_BK = std::get<1>(logits.topk(std::min<int64_t>(5, logits.size(1)), 1));
  const auto hit_BK = (top_BK == labels_B.unsqueeze(1)) & real_B.unsqueeze(1);
  sums.count += real_B.sum().item<int64_t>();
  sums.correct1 += hit_BK.select(1, 0).sum().item<int64_t>();
  sums.correct5 += hit_BK.any(1).sum().item<int64_t>();
  sums.loss_sum += torch::where(real_B, loss_B, torch::zeros_like(loss_B)).sum().item<double>();
}

}  // namespace

std::optional<Classification> evaluate(Vit& model, const Dataset& dataset, const Recipe& recipe, const EvaluationOptions& options) {
  torch::NoGradGuard no_grad;
  const auto size = recipe.output_shape();
  const auto grid = model->grid({size.height, size.width});
  const auto rotations = model->position().rotations(grid, /*with_gradient=*/false);
  const int64_t items = options.limit > 0 ? std::min(options.limit, dataset.size()) : dataset.size();
  Loader loader(dataset, recipe, /*seed=*/0, loader_options(options.loader, options.device), evaluation_plan(items, std::min(options.batch_size, items), /*rank=*/0, /*world=*/1));

  Classification sums;
  std::optional<ProgressLine> progress;
  if (!options.title.empty()) progress.emplace(options.title, items);
  while (auto batch = loader.next()) {
    if (stop_requested()) return std::nullopt;
    ForwardOptions forward;
    if (options.shuffle_seed) forward.permutation_BN = patch_permutations(*options.shuffle_seed, batch->indices_B, grid.tokens()).to(options.device);
    torch::Tensor logits_BC;
    {
      AutocastScope autocast(options.device.type(), options.precision == Precision::kBf16);
      logits_BC = model->forward(batch->input.to(options.device, parameter_dtype(options.precision)), rotations, forward);
    }
    add_batch(sums, logits_BC, batch->labels_B.to(options.device), batch->weights_B.to(options.device));
    if (progress) progress->update(sums.count, "top-1 " + std::to_string(sums.top1()).substr(0, 5) + " %");
  }
  if (sums.count != items)
    throw Error(ExitCode::kFailure, "evaluation counted " + std::to_string(sums.count) + " samples, expected " + std::to_string(items) + ": this is a defect, please report it.");
  return sums;
}

}  // namespace liere
