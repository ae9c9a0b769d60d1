#include "train/evaluator.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <span>

#include "core/check.h"
#include "core/log.h"
#include "core/rng.h"
#include "core/signals.h"
#include "data/loader.h"
#include "models/autocast.h"
#include "train/device_batches.h"
#include "train/evaluation_parts.h"
#include "train/eval/label_sets.h"
#include "train/loader_options.h"

namespace liere {
namespace {

/// What is permuted of a sample's view; numbers are part of the draws (docs/numerics.md).
enum class Permuted : uint32_t { kPatches = 0, kFrames = 1 };

/// [B, n] int64: a permutation of 0 .. n-1 for each row, from (seed, sample index, view) alone.
torch::Tensor permutations(uint64_t seed, Permuted what, const Batch& batch, int64_t n) {
  const auto index = batch.indices_B.accessor<int64_t, 1>(), view = batch.views_B.accessor<int64_t, 1>();
  auto permutation_Bn = torch::empty({index.size(0), n}, torch::kInt64);
  const auto key = [](int64_t value) { return static_cast<uint32_t>(std::max<int64_t>(value, 0)); };
  for (int64_t i = 0; i < index.size(0); ++i) {
    const auto order = Rng(seed, Purpose::kShuffle, key(index[i]), key(view[i]), static_cast<uint32_t>(what)).permutation(n);
    std::copy(order.begin(), order.end(), permutation_Bn[i].data_ptr<int64_t>());
  }
  return permutation_Bn;
}

/// [B, C, T, H, W] with each row's frames in the order of its permutation.
torch::Tensor permute_frames(const torch::Tensor& input, const torch::Tensor& permutation_BT) {
  if (input.dim() != 5) throw ConfigError("The frames of this data cannot be shuffled: its samples are single pictures.");
  const auto rows = torch::arange(input.size(0), torch::kInt64).unsqueeze(1);
  return input.transpose(1, 2).index({rows, permutation_BT}).transpose(1, 2);
}

/// What is measured of a batch, on the CPU; rows that are not real are padding.
struct Measured {
  torch::Tensor real_B, index_B, view_B, label_B;  // bool, int64; the label is -1 where labels are not read
  torch::Tensor loss_B, brier_B, top_BK, probability_BK;  // float64, float64, int64, float64
  torch::Tensor targets_BC;  // float64: 0 or 1 where samples have several labels and these are read; else undefined
};

void check_labels(const torch::Tensor& labels_B, int64_t classes) {
  const auto wrong_B = (labels_B < 0) | (labels_B >= classes);
  if (wrong_B.any().item<bool>())
    throw DataError("a sample has the label " + std::to_string(labels_B.masked_select(wrong_B)[0].item<int64_t>()) + ", but the model has " + std::to_string(classes) +
                    " classes. Evaluate on the data set that it was trained for, or use --test predict, which reads no labels.");
}

void check_targets(const torch::Tensor& targets_BC, int64_t classes) {
  if (targets_BC.size(1) != classes)
    throw DataError("the samples have " + std::to_string(targets_BC.size(1)) + " labels each, but the model has " + std::to_string(classes) + " classes. Evaluate on the data set that it was trained for.");
  const auto wrong_BC = (targets_BC != 0) & (targets_BC != 1);
  if (wrong_BC.any().item<bool>())
    throw DataError("a sample has a label of " + std::to_string(targets_BC.masked_select(wrong_BC)[0].item<double>()) +
                    ", expected 0 or 1 for each class. Correct the data set's labels, or use --test predict, which reads none.");
}

/// The distribution over classes, or of several labels a sample the probability of each; float64.
torch::Tensor class_probabilities(const torch::Tensor& logits_BC, bool multi_label) {
  if (multi_label && logits_BC.size(1) > kMostLabels)
    throw ConfigError("evaluation serves samples with up to " + std::to_string(kMostLabels) + " labels each, but the data set has " + std::to_string(logits_BC.size(1)) + ". Leave labels out.");
  const auto wide_BC = logits_BC.to(torch::kFloat64);
  return multi_label ? wide_BC.sigmoid() : wide_BC.softmax(1);
}

/// Of several labels a sample: fills in what follows from the probabilities (float64) about the sets of labels.
void add_label_sets(Measured& m, const torch::Tensor& probability_BC) {
  const auto local_BC = probability_BC.to(torch::kCPU).contiguous();
  const int64_t rows = local_BC.size(0);
  const auto classes = static_cast<size_t>(local_BC.size(1));
  const auto row_of = [classes](const torch::Tensor& values_BC, int64_t row) { return std::span<const double>(values_BC.const_data_ptr<double>() + row * static_cast<int64_t>(classes), classes); };
  m.top_BK = torch::empty({rows, static_cast<int64_t>(kTopClasses)}, torch::kInt64);
  m.probability_BK = torch::empty({rows, static_cast<int64_t>(kTopClasses)}, torch::kFloat64);
  for (int64_t row = 0; row < rows; ++row) {
    const auto likely = likely_sets(row_of(local_BC, row));
    std::copy(likely.sets.begin(), likely.sets.end(), m.top_BK[row].data_ptr<int64_t>());
    std::copy(likely.probability.begin(), likely.probability.end(), m.probability_BK[row].data_ptr<double>());
  }
  m.brier_B = torch::full({rows}, std::nan(""), torch::kFloat64);
  if (!m.targets_BC.defined()) return;
  m.brier_B = (local_BC - m.targets_BC).square().sum(1);
  m.label_B = torch::empty({rows}, torch::kInt64);
  for (int64_t row = 0; row < rows; ++row) m.label_B.data_ptr<int64_t>()[row] = set_number(row_of(m.targets_BC, row));
}

/// Of one label a sample: the same; `ranking_BC` orders the classes.
void add_probabilities(Measured& m, const torch::Tensor& probability_BC, const torch::Tensor& ranking_BC, bool labels) {
  const auto top_BK = std::get<1>(ranking_BC.topk(std::min<int64_t>(kTopClasses, ranking_BC.size(1)), 1));
  m.top_BK = top_BK.to(torch::kCPU);
  m.probability_BK = probability_BC.gather(1, top_BK).to(torch::kCPU);
  if (!labels) {
    m.brier_B = torch::full({probability_BC.size(0)}, std::nan(""), torch::kFloat64);
    return;
  }
  const auto of_label_B = probability_BC.gather(1, m.label_B.to(probability_BC.device()).unsqueeze(1)).squeeze(1);
  m.brier_B = (probability_BC.square().sum(1) - 2 * of_label_B + 1).to(torch::kCPU);
}

/// Each view by itself.
Measured measure_views(const torch::Tensor& logits_BC, const torch::Tensor& probability_BC, const Batch& batch, bool labels) {
  Measured m{batch.weights_B > 0, batch.indices_B, batch.views_B, batch.labels_B, {}, {}, {}, {}, {}};
  const bool several = batch.targets_BC.defined();
  torch::Tensor loss_B;
  if (!labels) {
    m.label_B = torch::full_like(batch.labels_B, -1);
    loss_B = torch::full({logits_BC.size(0)}, std::nan(""), torch::kFloat64);
  } else if (several) {
    check_targets(batch.targets_BC, logits_BC.size(1));
    m.targets_BC = batch.targets_BC.to(torch::kFloat64).contiguous();
    loss_B = at::binary_cross_entropy_with_logits(logits_BC, batch.targets_BC.to(logits_BC.device(), logits_BC.scalar_type()), {}, {}, at::Reduction::None).mean(1);
  } else {
    check_labels(batch.labels_B, logits_BC.size(1));
    loss_B = at::cross_entropy_loss(logits_BC, batch.labels_B.to(logits_BC.device()), {}, at::Reduction::None);
  }
  m.loss_B = loss_B.to(torch::kFloat64).to(torch::kCPU);
  if (several)
    add_label_sets(m, probability_BC);
  else
    add_probabilities(m, probability_BC, logits_BC, labels);
  return m;
}

/// Each sample by the mean of its views' probabilities [S, C]; a batch holds all views of each of its samples, one after the other.
Measured measure_samples(const Measured& of_views, const torch::Tensor& probability_SC, int64_t views, bool labels, bool several) {
  const auto first = [views](const torch::Tensor& values_B) { return values_B.unflatten(0, {-1, views}).select(1, 0).contiguous(); };
  Measured m{first(of_views.real_B), first(of_views.index_B), first(of_views.view_B), first(of_views.label_B), first(of_views.loss_B), {}, {}, {}, {}};
  if (several) {
    if (labels) {
      m.targets_BC = first(of_views.targets_BC);
      const auto local_SC = probability_SC.to(torch::kCPU);
      m.loss_B = -torch::where(m.targets_BC > 0.5, local_SC.log(), (1 - local_SC).log()).mean(1);
    }
    add_label_sets(m, probability_SC);
    return m;
  }
  if (labels) m.loss_B = -probability_SC.gather(1, m.label_B.to(probability_SC.device()).unsqueeze(1)).squeeze(1).log().to(torch::kCPU);
  add_probabilities(m, probability_SC, probability_SC, labels);
  return m;
}

void add_sums(Classification& sums, const Measured& m) {
  const auto hit_BK = (m.top_BK == m.label_B.unsqueeze(1)) & m.real_B.unsqueeze(1);
  sums.count += m.real_B.sum().item<int64_t>();
  sums.correct1 += hit_BK.select(1, 0).sum().item<int64_t>();
  sums.correct5 += hit_BK.any(1).sum().item<int64_t>();
  sums.loss_sum += torch::where(m.real_B, m.loss_B, torch::zeros_like(m.loss_B)).sum().item<double>();
}

void add_rows(std::vector<Row>& rows, const Measured& m) {
  const auto real = m.real_B.accessor<bool, 1>();
  const auto index = m.index_B.accessor<int64_t, 1>(), view = m.view_B.accessor<int64_t, 1>(), label = m.label_B.accessor<int64_t, 1>();
  const auto loss = m.loss_B.accessor<double, 1>(), brier = m.brier_B.accessor<double, 1>();
  const auto top = m.top_BK.accessor<int64_t, 2>();
  const auto probability = m.probability_BK.accessor<double, 2>();
  for (int64_t i = 0; i < real.size(0); ++i) {
    if (!real[i]) continue;
    Row row{index[i], view[i], label[i], loss[i], brier[i]};
    for (int64_t k = 0; k < top.size(1); ++k) {
      row.top[static_cast<size_t>(k)] = top[i][k];
      row.probability[static_cast<size_t>(k)] = probability[i][k];
    }
    rows.push_back(row);
  }
}

void add_scores(ClassScores& scores, const Measured& m, const torch::Tensor& probability_SC) {
  const auto local_SC = probability_SC.to(torch::kCPU).contiguous();
  const auto real = m.real_B.accessor<bool, 1>();
  const auto index = m.index_B.accessor<int64_t, 1>(), label = m.label_B.accessor<int64_t, 1>();
  const int64_t classes = local_SC.size(1);
  scores.classes = classes;
  for (int64_t i = 0; i < real.size(0); ++i) {
    if (!real[i]) continue;
    scores.samples.push_back(index[i]);
    for (int64_t c = 0; c < classes; ++c) {
      scores.probability.push_back(local_SC.const_data_ptr<double>()[i * classes + c]);
      scores.targets.push_back(label[i] < 0 ? std::nan("") : m.targets_BC.defined() ? m.targets_BC.const_data_ptr<double>()[i * classes + c] : label[i] == c);
    }
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

void add(Classification& sum, const Classification& part) {
  sum.count += part.count;
  sum.correct1 += part.correct1;
  sum.correct5 += part.correct5;
  sum.loss_sum += part.loss_sum;
}

template <class T> void append(std::vector<T>& all, const std::vector<T>& part) { all.insert(all.end(), part.begin(), part.end()); }

/// The parts of all ranks in the batches' order; nullopt when one of them was stopped.
std::optional<std::vector<EvaluationPart>> parts_of_all(std::vector<EvaluationPart> parts, bool stopped, Ranks& ranks) {
  if (ranks.is_alone()) return stopped ? std::nullopt : std::optional(std::move(parts));
  const auto everything = ranks.gather((stopped ? "s" : " ") + encode(parts), "the results of an evaluation");
  parts.clear();
  for (const auto& of_rank : everything) {
    stopped |= of_rank.front() == 's';
    decode(of_rank.substr(1), parts);
  }
  if (stopped) return std::nullopt;
  std::sort(parts.begin(), parts.end(), [](const auto& a, const auto& b) { return a.batch < b.batch; });
  return parts;
}

/// Puts the parts together, into `options` what was asked for.
EvaluationSums together(const std::vector<EvaluationPart>& parts, int64_t views, const EvaluationOptions& options) {
  EvaluationSums sums{{}, {}, views};
  for (auto* rows : {options.rows, options.sample_rows})
    if (rows) rows->clear();
  if (options.scores) *options.scores = {};
  for (const auto& part : parts) {
    add(sums.views, part.views);
    add(sums.samples, part.samples);
    if (options.rows) append(*options.rows, part.rows);
    if (options.sample_rows) append(*options.sample_rows, part.sample_rows);
    if (!options.scores) continue;
    options.scores->classes = part.scores.classes;
    append(options.scores->samples, part.scores.samples);
    append(options.scores->probability, part.scores.probability);
    append(options.scores->targets, part.scores.targets);
  }
  return sums;
}

}  // namespace

std::optional<EvaluationSums> evaluate(Vit& model, const Dataset& dataset, const Recipe& recipe, const EvaluationOptions& options) {
  torch::NoGradGuard no_grad;
  Ranks alone;
  Ranks& ranks = options.ranks ? *options.ranks : alone;
  const auto grid = model->grid(spatial_size(recipe.output_shape(), model->config().axes()));
  const auto rotations = options.rotations ? *options.rotations : model->position().rotations(grid, /*with_gradient=*/false);
  const auto samples = samples_to_evaluate(dataset, options);
  const int64_t views = recipe.views(), items = static_cast<int64_t>(samples.size()) * views;
  Loader loader(dataset, recipe, /*seed=*/0, loader_options(options.loader, options.device),
                evaluation_plan(samples, std::min(options.batch_size, items), ranks.rank(), ranks.size(), views));

  DeviceBatches batches(loader, options.device);
  std::vector<EvaluationPart> parts;
  Classification so_far;
  bool stopped = false;
  std::optional<ProgressLine> progress;
  if (!options.title.empty() && ranks.is_first()) progress.emplace(options.title, items);
  while (auto batch = batches.next()) {
    if ((stopped = stop_requested())) break;
    ForwardOptions forward;
    if (options.shuffle_seed) forward.permutation_BN = permutations(*options.shuffle_seed, Permuted::kPatches, *batch, grid.tokens()).to(options.device);
    auto input = batch->input.to(options.device, parameter_dtype(options.precision));
    if (options.frame_shuffle_seed) input = permute_frames(input, permutations(*options.frame_shuffle_seed, Permuted::kFrames, *batch, input.size(2)));
    torch::Tensor logits_BC;
    {
      AutocastScope autocast(options.device.type(), options.precision == Precision::kBf16);
      logits_BC = model->forward(input, rotations, forward);
    }
    batches.prefetch();
    logits_BC = logits_BC.to(torch::promoteTypes(logits_BC.scalar_type(), torch::kFloat32));
    const bool several = batch->targets_BC.defined();
    const auto probability_BC = class_probabilities(logits_BC, several);
    const auto probability_SC = views == 1 ? probability_BC : probability_BC.unflatten(0, {-1, views}).mean(1);
    const auto of_views = measure_views(logits_BC, probability_BC, *batch, options.labels);
    const auto of_samples = views == 1 ? of_views : measure_samples(of_views, probability_SC, views, options.labels, several);
    auto& part = parts.emplace_back(EvaluationPart{ranks.rank() + static_cast<int64_t>(parts.size()) * ranks.size()});
    add_sums(part.views, of_views);
    add_sums(part.samples, of_samples);
    if (options.rows) add_rows(part.rows, of_views);
    if (options.sample_rows) add_rows(part.sample_rows, of_samples);
    if (options.scores) add_scores(part.scores, of_samples, probability_SC);
    add(so_far, part.samples);
    if (progress)
      progress->update(std::min(items, so_far.count * views * ranks.size()), options.labels ? std::string(several ? "all right " : "top-1 ") + std::to_string(so_far.top1()).substr(0, 5) + " %" : "");
  }
  const auto all = parts_of_all(std::move(parts), stopped, ranks);
  if (!all) return std::nullopt;
  const auto sums = together(*all, views, options);
  check_complete(sums.views, options.rows, samples, views);
  check_complete(sums.samples, options.sample_rows, samples, 1);
  if (options.scores && options.scores->samples != samples) throw Error(ExitCode::kFailure, "an evaluation's scores are not of each sample once and in order: this is a defect, please report it.");
  return sums;
}

}  // namespace liere
