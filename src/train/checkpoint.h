// Checkpoints: one safetensors file per optimiser step saved, format "liere-1".
// Tensors: the weights by name, optimizer.exp_avg.NAME, optimizer.exp_avg_sq.NAME. Metadata (strings): where the run stands, its configuration and identity,
// byte offsets of the metric files, an XXH3-64 per tensor and one over the length bytes and header (its own digits taken as zeros).
#pragma once

#include <torch/torch.h>

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "train/metrics.h"
#include "train/optimizer.h"

namespace liere {

struct BestScore {
  double top1 = -1;
  int64_t epoch = 0, step = 0;
};

/// Everything of a run that is not a tensor.
struct RunState {
  int64_t step = 0;            // optimiser steps done
  int64_t epoch = 0;           // the epoch that the next step belongs to
  int64_t samples = 0;         // training samples seen
  int64_t evaluated_step = -1; // the last step at which the test set was evaluated
  Classification evaluated;    // its result
  double loss_sum = 0;         // of the training losses since then, sample by sample
  int64_t loss_count = 0;
  int64_t skipped = 0, skipped_in_a_row = 0;  // non-finite steps
  double seconds = 0;          // of training and evaluation, over all incarnations
  BestScore best;
  std::map<std::string, int64_t> metric_offsets;  // file name -> bytes written
};

struct CheckpointInfo {
  RunState state;
  std::string config;                       // resolved YAML
  std::vector<std::string> identity_lines;
  std::vector<std::string> class_names;
  std::string name;                         // of the experiment
  int threads = 1;
};

/// Writes atomically. `tensors` may live on any device. Throws CheckpointError; the old file is intact then.
void save_checkpoint(const std::filesystem::path& path, const NamedTensors& tensors, const CheckpointInfo& info);

/// Reads and verifies format and every digest. Throws CheckpointError naming the path and the tensor.
CheckpointInfo read_checkpoint_info(const std::filesystem::path& path);

/// The same, and copies every tensor of `tensors` from the file; missing, superfluous or misshapen ones are listed in one CheckpointError.
/// `weights_only`: tensors of the optimiser and the moving average in the file are passed over. With `average` the weights are filled from their moving
/// average (ema.NAME -> NAME), all else is passed over; a file without one is a CheckpointError.
CheckpointInfo load_checkpoint(const std::filesystem::path& path, const NamedTensors& tensors, bool weights_only, bool average = false);

/// RUN/checkpoints/step-NNNNNNNN.safetensors
std::filesystem::path checkpoint_path(const std::filesystem::path& run, int64_t step);
std::filesystem::path best_checkpoint_path(const std::filesystem::path& run);

/// Step checkpoints of a run folder, newest first.
std::vector<std::filesystem::path> list_checkpoints(const std::filesystem::path& run);

/// The newest checkpoint that verifies; damaged ones are warned about. nullopt when there is none at all; CheckpointError when there are some but none is usable.
std::optional<std::filesystem::path> newest_valid_checkpoint(const std::filesystem::path& run);

/// Makes checkpoints/best.safetensors the same file as `path` (a hard link, or a copy where links do not exist), atomically.
void publish_best(const std::filesystem::path& run, const std::filesystem::path& path);

/// Removes all but the `keep` newest step checkpoints; verifies the newest one first and removes nothing when it is damaged.
void prune_checkpoints(const std::filesystem::path& run, int64_t keep);

}  // namespace liere
