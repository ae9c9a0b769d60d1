// What a training takes, counted from its configuration: parameters, FLOPs, steps, evaluations, memory, disk. Behind --dry-run and liere-train plan.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "train/experiment.h"
#include "train/memory.h"

namespace liere {

struct TrainingCost {
  std::string encoding, unit;  // "LieRE_8"; "images"
  int64_t parameters = 0, rotation_parameters = 0, tokens = 0;  // tokens of a sample without CLS
  double multiply_adds = 0;                                     // of one sample's forward pass
  int64_t samples = 0, batch_size = 0;                          // of an epoch; of a step, over all processes
  std::optional<int64_t> micro_batch;                           // nullopt: auto
  int64_t steps_per_epoch = 0, epochs = 0, steps = 0;
  bool exact_steps = true;   // false: a fraction of data of which some are held out, which is known of opened data alone
  bool has_holdout = false;  // evaluations during training measure held-out data
  int64_t evaluations = 0, views_per_evaluation = 0;  // forward passes of one evaluation: samples times views
  // Two FLOPs per multiply-add; a training step costs three forward passes (one forward, two for the gradients of inputs and weights).
  double training_flop = 0, evaluation_flop = 0;
  MemoryEstimate memory;
  bool averages = false;  // ema.decay: a moving average of the weights
  double checkpoint_bytes = 0, disk_bytes = 0;  // one file; the run folder when it is largest: kept, best and the one being written, metrics

  double training_samples() const { return static_cast<double>(steps) * static_cast<double>(batch_size); }
};

/// Neither data nor device is needed: a data set that cannot be opened is a warning with the command that fetches it, and its official size is assumed.
/// The model stands on the meta device. Throws ConfigError.
TrainingCost training_cost(const ExperimentConfig& config);

void to_json(nlohmann::json& object, const TrainingCost& cost);

}  // namespace liere
