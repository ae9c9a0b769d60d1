// Evaluation of a test set: every sample counts exactly once, sums before means.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "data/dataset.h"
#include "data/recipe.h"
#include "models/vit.h"
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
  std::optional<uint64_t> shuffle_seed;    // permute each sample's patches by (seed, sample index)
  std::string title = "evaluate";          // of the progress line; "" shows none
};

/// nullopt when a stop was requested meanwhile. The model is in evaluation: no dropout; rotations are made once for the recipe's size.
std::optional<Classification> evaluate(Vit& model, const Dataset& dataset, const Recipe& recipe, const EvaluationOptions& options);

}  // namespace liere
