#include "train/training_parts.h"

#include <algorithm>

#include "core/check.h"
#include "core/log.h"
#include "data/datasets/factory.h"
#include "data/holdout.h"
#include "data/recipes.h"
#include "data/sampler.h"
#include "data/stage.h"

namespace liere {

torch::Dtype parameter_dtype(Precision precision) { return precision == Precision::kFp64 ? torch::kFloat64 : torch::kFloat32; }

std::vector<int64_t> spatial_size(const FrameShape& shape, int64_t axes) {
  if (axes == 1) return {shape.width};
  if (axes == 2) return {shape.height, shape.width};
  return {shape.frames, shape.height, shape.width};
}

TrainingParts::TrainingParts(const ExperimentConfig& config, torch::Device device)
    : train_set(make_dataset(staged_dataset(config.data), Split::kTrain)), test_set(make_dataset(staged_dataset(config.data), Split::kTest)) {
  log_info(train_set->describe());
  log_info(test_set->describe());
  train_recipe = make_train_recipe(config.data.dataset, config.augment, config.model.input_size);
  test_recipe = make_eval_recipe(config.data.dataset, config.augment, config.model.input_size);
  train_indices = ablation_subset(train_set->size(), config.data.fraction);
  if (config.data.holdout > 0) {
    const auto held_out = holdout_indices(*train_set, config.data.holdout);
    std::erase_if(train_indices, [&](int64_t index) { return std::binary_search(held_out.begin(), held_out.end(), index); });
    holdout_set = make_subset(*train_set, held_out);
    log_info(holdout_set->describe());
  }
  own_validation = has_validation(config.data.dataset);
  if (own_validation) {
    holdout_set = make_dataset(staged_dataset(config.data), Split::kValidation);
    log_info(holdout_set->describe());
  }
  if (train_indices.empty())
    throw ConfigError("data.fraction = " + std::to_string(config.data.fraction) + " and data.holdout = " + std::to_string(config.data.holdout) + " leave no training samples.");
  check_loss(config.loss, static_cast<int64_t>(train_set->class_names().size()), train_set->multi_label());
  model = Vit(config.model, static_cast<int64_t>(train_set->class_names().size()));
  model->initialize(config.seed);
  model->to(device, parameter_dtype(config.train.precision));
  optimizer = std::make_unique<Optimizer>(config.optimizer, model->named_weights());
}

}  // namespace liere
