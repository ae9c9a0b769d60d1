// A trained model for evaluation: what a checkpoint says, and its weights where a test needs them.
#pragma once

#include <string>
#include <vector>

#include "models/vit.h"
#include "train/run_folder.h"
#include "train/training_parts.h"

namespace liere {

struct TrainedModel {
  CheckpointChoice checkpoint;
  CheckpointInfo info;
  std::string digest;  // of the checkpoint's header, which covers the digests of all tensors
  ExperimentConfig config;
  torch::Device device = torch::kCPU;
  Vit model{nullptr};  // empty until load_weights
};

/// Everything but the weights. `overrides` may change only keys outside the run's identity (data.root, eval.*, loader.*, device, threads).
/// Throws CheckpointError, ConfigError.
TrainedModel open_trained(const std::string& checkpoint, const std::vector<std::string>& overrides);
/// Builds the model on the device and fills it as eval.weights says: with the weights as trained, or with their moving average (generators included, so that
/// rotations are the average's). Throws CheckpointError.
void load_weights(TrainedModel& trained);
/// Both.
TrainedModel load_trained(const std::string& checkpoint, const std::vector<std::string>& overrides);

}  // namespace liere
