// The file of a checkpoint and the folder of them, as bytes: one safetensors file per optimiser step saved, format "liere-1". No torch in here.
// Tensors: the weights by name, optimizer.exp_avg.NAME, optimizer.exp_avg_sq.NAME. Metadata (strings): where the run stands, its configuration and identity,
// byte offsets of the metric files, an XXH3-64 per tensor and one over the length bytes and header (its own digits taken as zeros).
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/checkpoint_format.h"
#include "core/safetensors.h"
#include "train/metrics.h"

namespace liere {

class FolderLock;

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
  EvaluationSums evaluated;    // its result
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

/// Writes atomically; read back and verified before it gets its name; with `lock`, only while this process owns the run folder.
/// Throws CheckpointError; the old file is intact and no temporary is left then.
void write_checkpoint(const std::filesystem::path& path, const std::vector<safetensors::TensorView>& tensors, const CheckpointInfo& info,
                      const FolderLock* lock = nullptr);

/// Verifies and reads.
CheckpointInfo verified_info(const safetensors::File& file, const std::filesystem::path& path);
CheckpointInfo read_checkpoint_info(const std::filesystem::path& path);

/// The same as one text, for another process.
std::string text_of(const CheckpointInfo& info);
CheckpointInfo info_of_text(const std::string& text);

/// RUN/checkpoints/step-NNNNNNNN.safetensors
std::filesystem::path checkpoint_path(const std::filesystem::path& run, int64_t step);
std::filesystem::path best_checkpoint_path(const std::filesystem::path& run);

/// Makes checkpoints/best.safetensors the same file as `path` (a hard link, or a copy where links do not exist), atomically.
void publish_best(const std::filesystem::path& run, const std::filesystem::path& path, const FolderLock* lock = nullptr);

/// Removes all but the `keep` newest step checkpoints; verifies the newest one first and removes nothing when it is damaged.
void prune_checkpoints(const std::filesystem::path& run, int64_t keep, const FolderLock* lock = nullptr);

/// All of a save, in the order that leaves a usable checkpoint wherever it is cut off: metric files to the disk, write and verify, publish as best if asked,
/// prune to `keep`. Throws CheckpointError, or SupersededError when `lock` is lost.
void publish_checkpoint(const std::filesystem::path& run, const std::vector<safetensors::TensorView>& tensors, const CheckpointInfo& info, bool best, int64_t keep,
                        const FolderLock* lock);

}  // namespace liere
