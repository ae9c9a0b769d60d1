// Forward and backward of one micro-batch: the computation that the Trainer's step and liere-bench share.
#pragma once

#include "data/loader.h"
#include "data/mixup.h"
#include "models/vit.h"
#include "train/experiment.h"

namespace liere {

/// Adds the gradients of sum over rows of the loss / global_count to the parameters' .grad (and to rotations.gradient); returns that part of the mean
/// loss, detached. `step` keys the dropout; where `step_on_device` is defined, what stands there does (DropoutKey).
torch::Tensor micro_step(Vit& model, const ExperimentConfig& config, torch::Device device, const Batch& batch, const Rotations& rotations, const Mix& mix,
                         int64_t step, int64_t global_count, const torch::Tensor& step_on_device = {});

}  // namespace liere
