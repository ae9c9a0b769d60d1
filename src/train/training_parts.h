// What a configuration names, built and checked: data sets, recipes, model, optimiser. Trainer, --dry-run=step and tests share it.
#pragma once

#include <memory>
#include <vector>

#include "data/dataset.h"
#include "data/recipe.h"
#include "models/vit.h"
#include "train/experiment.h"

namespace liere {

struct TrainingParts {
  /// Opens the data and draws the initial weights. Throws ConfigError, DataError.
  TrainingParts(const ExperimentConfig& config, torch::Device device);

  std::unique_ptr<Dataset> train_set, test_set;
  std::unique_ptr<Dataset> holdout_set;  // data.holdout samples of the training set, or the data's own validation part; null without
  bool own_validation = false;           // it is the data's own part
  std::unique_ptr<Recipe> train_recipe, test_recipe;
  std::vector<int64_t> train_indices;    // of train_set: the fraction asked for, without the holdout
  Vit model{nullptr};
  std::unique_ptr<Optimizer> optimizer;

  /// What evaluations during training and the choice of the best checkpoint use: the holdout, or the test set where there is none.
  const Dataset& validation_set() const { return holdout_set ? *holdout_set : *test_set; }
  const char* validation_name() const { return !holdout_set ? "test" : own_validation ? "validation" : "holdout"; }
};

/// The recipe's output as the model counts axes: [tokens], [height, width] or [frames, height, width].
std::vector<int64_t> spatial_size(const FrameShape& shape, int64_t axes);

/// The dtype of parameters and inputs.
torch::Dtype parameter_dtype(Precision precision);

}  // namespace liere
