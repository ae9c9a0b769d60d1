// A run's folder: config.yaml, log.txt, metrics.jsonl, metrics.csv, checkpoints/, summary.json, eval/.
// One process at a time; a folder of another configuration is refused; metric files are cut back to the step that is resumed.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "train/checkpoint.h"
#include "train/experiment.h"
#include "train/folder_lock.h"

namespace liere {

enum class ResumeMode { kAuto, kInsist, kForce };

class RunFolder {
 public:
  /// Opens or creates `config.output` and locks it.
  ///   kAuto:   an earlier run of the same identity is resumed, one of another identity is a CheckpointError that lists the keys that differ
  ///   kInsist: the same, and no checkpoint to resume is a CheckpointError
  ///   kForce:  an earlier run is moved aside to NAME.1, NAME.2, ...
  RunFolder(const Experiment& experiment, ResumeMode mode);
  ~RunFolder();
  RunFolder(const RunFolder&) = delete;
  RunFolder& operator=(const RunFolder&) = delete;

  const std::filesystem::path& path() const { return path_; }
  const FolderLock& lock() const { return *lock_; }
  /// The checkpoint to resume from, verified.
  const std::optional<std::filesystem::path>& resume_from() const { return resume_from_; }
  /// Opens log.txt and writes config.yaml; call once it is certain that the run begins.
  void begin(const std::string& resolved_config);

 private:
  std::filesystem::path path_;
  std::unique_ptr<FolderLock> lock_;
  std::optional<std::filesystem::path> resume_from_;
};

/// Finds out in milliseconds, before data and model are built, whether the run folder `output` can be made and written to; leaves no trace.
/// Throws CheckpointError: a file in its place, a folder that cannot be made, read-only, full.
void check_output_folder(const std::filesystem::path& output);

/// A run folder or a checkpoint file as --checkpoint names it -> the checkpoint file (a folder's newest valid one) and the run folder. Throws CheckpointError.
struct CheckpointChoice {
  std::filesystem::path file, run;
};
CheckpointChoice choose_checkpoint(const std::string& argument);

}  // namespace liere
