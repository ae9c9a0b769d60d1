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

/// Verifies, and copies every tensor of `tensors` from the file. What differs is listed in one CheckpointError, and nothing is copied then: first the keys of
/// `identity` (identity_lines of the configuration that wants to resume; empty: not compared), then tensors missing, superfluous or misshapen.
/// `weights_only`: tensors of the optimiser and of the moving average in the file are passed over.
CheckpointInfo load_checkpoint(const std::filesystem::path& path, const NamedTensors& tensors, bool weights_only, const std::vector<std::string>& identity = {});

}  // namespace liere
