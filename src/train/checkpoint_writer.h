// Writes checkpoints while training goes on: submit() copies the tensors as they stand at an optimiser-step boundary into buffers that are reused, and one
// background thread saves the copy - metric files to the disk, write, verify, publish as best, prune (train/checkpoint_file.h). One save at a time: the next
// submit() waits for it. A save that fails costs a warning; as many in a row as checkpoint.failure_limit end the run.
// Before submit() the caller passes what it has buffered for the metric files to the operating system; the writer puts them on the disk before the checkpoint
// that names their lengths is published.
#pragma once

#include <atomic>
#include <exception>
#include <filesystem>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "train/checkpoint.h"
#include "train/experiment.h"
#include "train/folder_lock.h"

namespace liere {

class CheckpointWriter {
 public:
  /// `lock` outlives the writer; nullptr: the folder is not shared (tests).
  CheckpointWriter(std::filesystem::path run, const FolderLock* lock, const CheckpointConfig& config);
  /// Waits for the save under way.
  ~CheckpointWriter();
  CheckpointWriter(const CheckpointWriter&) = delete;
  CheckpointWriter& operator=(const CheckpointWriter&) = delete;

  /// Saves `tensors` (on any device) as the checkpoint of info.state.step, `best`: as the best one too. They may change as soon as it returns.
  /// Throws as check() does. False when the save has already failed (checkpoint.background: false).
  bool submit(const NamedTensors& tensors, CheckpointInfo info, bool best);

  /// Cheap, for every step. Throws SupersededError once a save found that another process has taken the run folder over, CheckpointError once
  /// failure_limit saves in a row have failed.
  void check();

  /// Counts a save that failed before there was anything to submit.
  void fail(const std::string& reason);

  /// Waits; throws as check() does, and CheckpointError when the last save failed: nothing later would make up for it.
  void finish();

  /// Saves that failed, in all.
  int64_t failures() const { return failures_; }
  /// Time that submit() and finish() spent waiting for an earlier save.
  double seconds_waited() const { return seconds_waited_; }

 private:
  void wait();
  void save();

  std::filesystem::path run_;
  const FolderLock* lock_;
  CheckpointConfig config_;
  std::vector<torch::Tensor> buffers_;
  std::vector<safetensors::TensorView> views_;
  CheckpointInfo info_;
  bool best_ = false;
  std::thread thread_;
  double seconds_waited_ = 0;
  std::atomic<int64_t> failures_ = 0, in_a_row_ = 0;
  std::atomic<bool> superseded_ = false;
  std::mutex mutex_;
  std::string reason_;  // of the last failure; guarded by mutex_
};

}  // namespace liere
