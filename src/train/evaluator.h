// Evaluation of a test set: every sample counts exactly once, sums before means; on request every sample's row is kept.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "data/dataset.h"
#include "data/recipe.h"
#include "models/vit.h"
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
  std::optional<uint64_t> shuffle_seed;    // permute each sample's patches by (seed, sample index, view)
  std::optional<uint64_t> frame_shuffle_seed;  // permute each clip's frames, before patches are made of them
  std::string title = "evaluate";          // of the progress line; "" shows none
  std::vector<int64_t> indices;            // the samples to evaluate, in this order, in place of all
  bool labels = true;                      // false: labels are not looked at; only `rows` has a meaning then
  const Rotations* rotations = nullptr;    // in place of the encoding's own
  std::vector<Row>* rows = nullptr;        // receives a row per sample and view, in order
  std::vector<Row>* sample_rows = nullptr; // receives a row per sample (view 0): of the mean of its views' probabilities
};

/// nullopt when a stop was requested meanwhile. The model is in evaluation: no dropout; rotations are made once for the recipe's size. Throws
/// DataError for a label that the model has no class for.
std::optional<EvaluationSums> evaluate(Vit& model, const Dataset& dataset, const Recipe& recipe, const EvaluationOptions& options);

}  // namespace liere
