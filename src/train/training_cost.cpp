#include "train/training_cost.h"

#include "core/check.h"
#include "core/log.h"
#include "data/datasets/factory.h"
#include "data/recipes.h"
#include "data/sampler.h"
#include "models/vit.h"

namespace liere {
namespace {

/// Of the data set where it can be opened, else `nominal`, with a warning where one is asked for.
int64_t size_of(const ExperimentConfig& config, Split split, int64_t nominal, bool warn) {
  try {
    return make_dataset(config.data.dataset, split)->size();
  } catch (const Error& error) {  // absent data, or a build that cannot read them
    if (warn) log_warning(std::string(error.what()) + " Assuming " + format_count(nominal) + " training " + sample_unit(config) + ".");
    return nominal;
  }
}

int64_t evaluation_samples(const ExperimentConfig& config, int64_t holdout) {
  if (holdout > 0) return holdout;
  const auto split = has_validation(config.data.dataset) ? Split::kValidation : Split::kTest;
  const int64_t size = size_of(config, split, nominal_test_size(config.data.dataset), false);
  return config.eval.limit ? std::min(*config.eval.limit, size) : size;
}

}  // namespace

TrainingCost training_cost(const ExperimentConfig& config) {
  Vit model(config.model, class_count(config.data.dataset), torch::kMeta);
  const auto grid = model->grid(config.model.input_size);
  const int64_t holdout = config.data.holdout;
  TrainingCost cost;
  cost.encoding = encoding_label(config.model.position);
  cost.unit = sample_unit(config);
  cost.parameters = model->parameter_count();
  cost.rotation_parameters = model->position().rotation_parameters();
  cost.tokens = grid.tokens();
  cost.multiply_adds = model->flops_per_sample(grid);
  const int64_t whole = size_of(config, Split::kTrain, nominal_train_size(config.data.dataset), true);
  // Which samples are held out is known of opened data alone; of a fraction about that share of them is missing.
  cost.samples = static_cast<int64_t>(ablation_subset(whole, config.data.fraction).size()) - static_cast<int64_t>(config.data.fraction * static_cast<double>(holdout));
  cost.exact_steps = holdout == 0 || config.data.fraction == 1;
  cost.has_holdout = holdout > 0 || has_validation(config.data.dataset);
  cost.batch_size = config.train.batch_size;
  if (!config.train.micro_batch->automatic) cost.micro_batch = int64_t(*config.train.micro_batch);
  cost.steps_per_epoch = config.data.drop_last ? cost.samples / cost.batch_size : (cost.samples + cost.batch_size - 1) / cost.batch_size;
  cost.epochs = config.train.epochs;
  cost.steps = cost.steps_per_epoch * cost.epochs;
  if (config.train.steps) cost.steps = std::min(*config.train.steps, cost.steps);
  cost.evaluations = cost.steps / std::max<int64_t>(1, cost.steps_per_epoch * config.eval.every_epochs);
  if (cost.steps % std::max<int64_t>(1, cost.steps_per_epoch * config.eval.every_epochs) != 0) ++cost.evaluations;  // the end is always evaluated
  if (config.eval.every_steps) cost.evaluations += cost.steps / *config.eval.every_steps;
  cost.views_per_evaluation = evaluation_samples(config, holdout) * make_eval_recipe(config.data.dataset, config.augment, config.model.input_size)->views();
  cost.training_flop = 6 * cost.multiply_adds * cost.training_samples();
  cost.evaluation_flop = 2 * cost.multiply_adds * static_cast<double>(cost.evaluations * cost.views_per_evaluation);
  cost.averages = config.ema.decay.has_value();
  cost.memory = estimate_memory(config, *model);
  const double word = config.train.precision == Precision::kFp64 ? 8 : 4;
  cost.checkpoint_bytes = word * static_cast<double>(cost.parameters) * (cost.averages ? 4 : 3);  // weights, two moments, their average
  constexpr double kLogBytes = 1000;                                                                        // of a logged step, in all metric files
  cost.disk_bytes = cost.checkpoint_bytes * static_cast<double>(config.checkpoint.keep + 2) +
                    kLogBytes * static_cast<double>(cost.steps / config.log.every_steps + cost.evaluations);
  return cost;
}

void to_json(nlohmann::json& object, const TrainingCost& c) {
  object = {{"encoding", c.encoding},
            {"parameters", c.parameters},
            {"rotation_parameters", c.rotation_parameters},
            {"tokens", c.tokens},
            {"multiply_adds_per_sample", c.multiply_adds},
            {"training_samples", c.samples},
            {"batch_size", c.batch_size},
            {"micro_batch", c.micro_batch ? nlohmann::json(*c.micro_batch) : nlohmann::json("auto")},
            {"steps_per_epoch", c.steps_per_epoch},
            {"epochs", c.epochs},
            {"steps", c.steps},
            {"evaluations", c.evaluations},
            {"views_per_evaluation", c.views_per_evaluation},
            {"training_flop", c.training_flop},
            {"evaluation_flop", c.evaluation_flop},
            {"memory_bytes", {{"state", c.memory.state}, {"rotations", c.memory.rotations}, {"per_sample", c.memory.per_sample}, {"fixed", c.memory.fixed}}},
            {"checkpoint_bytes", c.checkpoint_bytes},
            {"disk_bytes", c.disk_bytes}};
}

}  // namespace liere
