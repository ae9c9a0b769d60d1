#include "train/evaluator.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/check.h"
#include "core/log.h"
#include "core/rng.h"
#include "core/signals.h"
#include "data/loader.h"
#include "models/autocast.h"
#include "train/device_batches.h"
#include "train/loader_options.h"

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

/// What is measured of a batch, on the CPU; rows of weight 0 are padding.
struct Measured {
  torch::Tensor real_B, loss_B, brier_B, top_BK, probability_BK;  // bool, float64, float64, int64, float64
};

void check_labels(const torch::Tensor& labels_B, int64_t classes) {
  const auto wrong_B = (labels_B < 0) | (labels_B >= classes);
  if (wrong_B.any().item<bool>())
    throw DataError("a sample has the label " + std::to_string(labels_B.masked_select(wrong_B)[0].item<int64_t>()) + ", but the model has " + std::to_string(classes) +
                    " classes. Evaluate on the data set that it was trained for, or use --test predict, which reads no labels.");
}

Measured measure(const torch::Tensor& logits_BC, const Batch& batch, bool labels) {
  const auto logits = logits_BC.to(torch::promoteTypes(logits_BC.scalar_type(), torch::kFloat32));
  const auto top_BK = std::get<1>(logits.topk(std::min<int64_t>(kTopClasses, logits.size(1)), 1));
  const auto probability_BC = logits.to(torch::kFloat64).softmax(1);
  Measured m{batch.weights_B > 0, {}, {}, top_BK.to(torch::kCPU), probability_BC.gather(1, top_BK).to(torch::kCPU)};
  if (!labels) {
    m.loss_B = m.brier_B = torch::full({logits.size(0)}, std::nan(""), torch::kFloat64);
    return m;
  }
  check_labels(batch.labels_B, logits.size(1));
  const auto labels_B = batch.labels_B.to(logits.device());
  m.loss_B = at::cross_entropy_loss(logits, labels_B, {}, at::Reduction::None).to(torch::kFloat64).to(torch::kCPU);
  const auto of_label_B = probability_BC.gather(1, labels_B.unsqueeze(1)).squeeze(1);
  m.brier_B = (probability_BC.square().sum(1) - 2 * of_label_B + 1).to(torch::kCPU);
  return m;
}

void add_sums(Classification& sums, const Measured& m, const torch::Tensor& labels_B) {
  const auto hit_BK = (m.top_BK == labels_B.unsqueeze(1)) & m.real_B.unsqueeze(1);
  sums.count += m.real_B.sum().item<int64_t>();
  sums.correct1 += hit_BK.select(1, 0).sum().item<int64_t>();
  sums.correct5 += hit_BK.any(1).sum().item<int64_t>();
  sums.loss_sum += torch::where(m.real_B, m.loss_B, torch::zeros_like(m.loss_B)).sum().item<double>();
}

void add_rows(std::vector<Row>& rows, const Measured& m, const Batch& batch, bool labels) {
  const auto real = m.real_B.accessor<bool, 1>();
  const auto index = batch.indices_B.accessor<int64_t, 1>(), view = batch.views_B.accessor<int64_t, 1>(), label = batch.labels_B.accessor<int64_t, 1>();
  const auto loss = m.loss_B.accessor<double, 1>(), brier = m.brier_B.accessor<double, 1>();
  const auto top = m.top_BK.accessor<int64_t, 2>();
  const auto probability = m.probability_BK.accessor<double, 2>();
  for (int64_t i = 0; i < real.size(0); ++i) {
    if (!real[i]) continue;
    Row row{index[i], view[i], labels ? label[i] : -1, loss[i], brier[i]};
    for (int64_t k = 0; k < top.size(1); ++k) {
      row.top[static_cast<size_t>(k)] = top[i][k];
      row.probability[static_cast<size_t>(k)] = probability[i][k];
    }
    rows.push_back(row);
  }
}

/// Every item once and in order.
void check_complete(const Classification& sums, const std::vector<Row>* rows, const std::vector<int64_t>& samples, int64_t views) {
  const auto items = static_cast<int64_t>(samples.size()) * views;
  bool complete = sums.count == items && (!rows || static_cast<int64_t>(rows->size()) == items);
  for (int64_t item = 0; complete && rows && item < items; ++item) {
    const Row& row = (*rows)[static_cast<size_t>(item)];
    complete = row.sample == samples[static_cast<size_t>(item / views)] && row.view == item % views;
  }
  if (!complete)
    throw Error(ExitCode::kFailure, "an evaluation saw " + std::to_string(sums.count) + " samples, or not each of the expected " + std::to_string(items) +
                                        " once and in order: this is a defect, please report it.");
}

std::vector<int64_t> samples_to_evaluate(const Dataset& dataset, const EvaluationOptions& options) {
  auto samples = options.indices;
  if (samples.empty()) {
    samples.resize(static_cast<size_t>(dataset.size()));
    std::iota(samples.begin(), samples.end(), int64_t{0});
  }
  if (options.limit > 0 && options.limit < static_cast<int64_t>(samples.size())) samples.resize(static_cast<size_t>(options.limit));
  return samples;
}

}  // namespace

std::optional<Classification> evaluate(Vit& model, const Dataset& dataset, const Recipe& recipe, const EvaluationOptions& options) {
  torch::NoGradGuard no_grad;
  const auto size = recipe.output_shape();
  const auto grid = model->grid({size.height, size.width});
  const auto rotations = options.rotations ? *options.rotations : model->position().rotations(grid, /*with_gradient=*/false);
  const auto samples = samples_to_evaluate(dataset, options);
  const auto items = static_cast<int64_t>(samples.size()) * recipe.views();
  Loader loader(dataset, recipe, /*seed=*/0, loader_options(options.loader, options.device),
                evaluation_plan(samples, std::min(options.batch_size, items), /*rank=*/0, /*world=*/1, recipe.views()));

  DeviceBatches batches(loader, options.device);
  Classification sums;
  if (options.rows) options.rows->clear();
  std::optional<ProgressLine> progress;
  if (!options.title.empty()) progress.emplace(options.title, items);
  while (auto batch = batches.next()) {
    if (stop_requested()) return std::nullopt;
    ForwardOptions forward;
    if (options.shuffle_seed) forward.permutation_BN = patch_permutations(*options.shuffle_seed, batch->indices_B, grid.tokens()).to(options.device);
    torch::Tensor logits_BC;
    {
      AutocastScope autocast(options.device.type(), options.precision == Precision::kBf16);
      logits_BC = model->forward(batch->input.to(options.device, parameter_dtype(options.precision)), rotations, forward);
    }
    batches.prefetch();
    const auto measured = measure(logits_BC, *batch, options.labels);
    add_sums(sums, measured, options.labels ? batch->labels_B : torch::full_like(batch->labels_B, -1));
    if (options.rows) add_rows(*options.rows, measured, *batch, options.labels);
    if (progress) progress->update(sums.count, options.labels ? "top-1 " + std::to_string(sums.top1()).substr(0, 5) + " %" : "");
  }
  check_complete(sums, options.rows, samples, recipe.views());
  return sums;
}

}  // namespace liere
