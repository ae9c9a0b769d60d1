// Checkpoints of torch tensors: saved to and loaded from the file of train/checkpoint_file.h.
#pragma once

#include <torch/torch.h>

#include <filesystem>
#include <string>
#include <vector>

#include "train/checkpoint_file.h"
#include "train/optimizer.h"

namespace liere {

safetensors::Dtype checkpoint_dtype(const torch::Tensor& tensor);  // throws CheckpointError for types that a checkpoint does not hold
/// A contiguous CPU tensor as bytes, valid as long as it lives.
safetensors::TensorView tensor_view(const std::string& name, const torch::Tensor& tensor);

/// Writes atomically. `tensors` may live on any device. Throws CheckpointError; the old file is intact then.
void save_checkpoint(const std::filesystem::path& path, const NamedTensors& tensors, const CheckpointInfo& info);

/// What of a checkpoint is read: weights, optimiser and average; the weights alone; or the average in the place of the weights (ema.NAME -> NAME).
enum class CheckpointPart { kEverything, kWeights, kAverage };

/// Verifies, and copies every tensor of `tensors` from the file. What differs is listed in one CheckpointError, and nothing is copied then: first the keys of
/// `identity` (identity_lines of the configuration that wants to resume; empty: not compared), then tensors missing, superfluous or misshapen. Tensors of the
/// parts that are not asked for are passed over; a file without an average, where that is asked for, is a CheckpointError.
CheckpointInfo load_checkpoint(const std::filesystem::path& path, const NamedTensors& tensors, CheckpointPart part, const std::vector<std::string>& identity = {});

}  // namespace liere
