// One process writes to a run folder. FOLDER/lock names it and is held with flock for the process's life. A generation counts the processes that held it.
// A job that its scheduler started again (SLURM_RESTART_COUNT higher, same SLURM_JOB_ID) takes the lock over from an incarnation that is frozen or
// out of reach: it puts a lock file of its own in place. The older one finds that out before it publishes anything: FOLDER/lock.fence is held by whoever
// takes over, and by whoever publishes from the moment it looks at FOLDER/lock until its rename is done, so between the two nothing can happen.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <mutex>
#include <string>

#include "core/check.h"

namespace liere {

/// A later process has taken the run folder over: this one must end without writing to it.
struct SupersededError : CheckpointError {
  using CheckpointError::CheckpointError;
};

class FolderLock {
 public:
  /// Throws CheckpointError: nothing can be written there, or another process uses the folder (named, with its host).
  explicit FolderLock(const std::filesystem::path& folder);
  ~FolderLock();
  FolderLock(const FolderLock&) = delete;
  FolderLock& operator=(const FolderLock&) = delete;

  int64_t generation() const { return generation_; }
  /// True when the process before this one did not give the folder back: it was killed, or it is frozen or out of reach and may still wake up.
  bool earlier_may_live() const { return earlier_may_live_; }
  /// Throws SupersededError when a later process has taken over, CheckpointError when the lock file is gone. Reads one small file.
  void check() const;
  /// Checks and runs `action`; no other process can take over in between or meanwhile. From any thread, one at a time.
  void guarded(const std::function<void()>& action) const;

 private:
  struct Owner;
  static Owner parse(const std::string& text);
  void acquire();
  void replace(const std::filesystem::path& file, const Owner& older);
  void announce(int64_t after);

  std::filesystem::path folder_;
  int descriptor_ = -1, fence_ = -1;
  int64_t generation_ = 0;
  bool earlier_may_live_ = false;
  std::string text_;  // what FOLDER/lock holds as long as it is ours
  mutable std::mutex mutex_;
};

}  // namespace liere
