// Forward and backward of one micro-batch: the computation that the Trainer's step and liere-bench share.
#pragma once

#include "data/loader.h"
#include "data/mixup.h"
#include "models/vit.h"
#include "train/experiment.h"

namespace liere {

/// Adds the gradients of weight * sum over rows of the loss to the parameters' .grad (and to rotations.gradient); returns that part of the loss, detached.
/// `weight`: 1 / samples of the step, times the number of ranks where gradients are averaged over ranks. `step` keys the dropout; where `step_on_device` is
/// defined, what stands there does (DropoutKey).
torch::Tensor micro_step(Vit& model, const ExperimentConfig& config, torch::Device device, const Batch& batch, const Rotations& rotations, const Mix& mix,
                         int64_t step, double weight, const torch::Tensor& step_on_device = {});

}  // namespace liere
