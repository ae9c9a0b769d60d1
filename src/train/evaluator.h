// Evaluation of a test set: every sample counts exactly once, sums before means; on request every sample's row is kept.
// Where samples have several labels each (Dataset::multi_label), top-1 counts those whose labels are all right at 0.5 and top-5 those whose labels are among the five most
// probable sets (train/eval/label_sets.h); the loss is the binary cross-entropy, mean over classes, without loss.pos_weight and smoothing.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "data/dataset.h"
#include "data/recipe.h"
#include "models/vit.h"
#include "train/distributed.h"
#include "train/eval/rows.h"
#include "train/experiment.h"
#include "train/metrics.h"
#include "train/training_parts.h"

namespace liere {

struct EvaluationOptions {
  int64_t batch_size = 250;
  int64_t limit = 0;                       // first samples only; 0 = all
  LoaderConfig loader;
  Precision precision = Precision::kFp32;
  torch::Device device = torch::kCPU;
  Ranks* ranks = nullptr;                  // share the work with these: rank r takes the batches r, r + size, ..; every rank has the whole result
  std::optional<uint64_t> shuffle_seed;    // permute each sample's patches by (seed, sample index, view)
  std::optional<uint64_t> frame_shuffle_seed;  // permute each clip's frames, before patches are made of them
  std::string title = "evaluate";          // of the progress line; "" shows none
  std::vector<int64_t> indices;            // the samples to evaluate, in this order, in place of all
  bool labels = true;                      // false: labels are not looked at; only `rows` has a meaning then
  const Rotations* rotations = nullptr;    // in place of the encoding's own
  std::vector<Row>* rows = nullptr;        // receives a row per sample and view, in order
  std::vector<Row>* sample_rows = nullptr; // receives a row per sample (view 0): of the mean of its views' probabilities
  ClassScores* scores = nullptr;           // receives the probability of each class for every sample, and its targets
};

/// nullopt when a stop was requested meanwhile (of any rank). The model is in evaluation: no dropout; rotations are made once for the recipe's size. Throws
/// DataError for a label that the model has no class for.
std::optional<EvaluationSums> evaluate(Vit& model, const Dataset& dataset, const Recipe& recipe, const EvaluationOptions& options);

}  // namespace liere
