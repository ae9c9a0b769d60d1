#include "train/folder_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <sstream>
#include <thread>

#include "core/log.h"
#include "core/machine.h"

namespace liere {
namespace {

namespace fs = std::filesystem;

constexpr auto kNobody = "nobody";
// A process holds the fence for one rename. One that holds it longer is frozen within: nobody may overtake it there.
constexpr auto kFencePatience = std::chrono::seconds(60);

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

int64_t number(const std::string& text) { return std::strtoll(text.c_str(), nullptr, 10); }

std::string contents(int descriptor) {
  char text[512];
  const auto count = ::pread(descriptor, text, sizeof text, 0);
  return {text, static_cast<size_t>(std::max<ssize_t>(count, 0))};
}

[[noreturn]] void refuse(const fs::path& folder, int error) {
  throw CheckpointError("cannot write to the output folder " + folder.string() + ": " + std::strerror(error) +
                        ". Choose another output=FOLDER, or make room and give permission there.");
}

/// Holds the fence for a scope.
class Fence {
 public:
  Fence(int descriptor, const fs::path& folder, const std::string& owner) : descriptor_(descriptor) {
    const auto until = std::chrono::steady_clock::now() + kFencePatience;
    while (::flock(descriptor_, LOCK_EX | LOCK_NB) != 0) {
      if (errno == EINTR) continue;
      if (errno != EWOULDBLOCK) return;  // a file system without locks: the check before each rename remains
      if (std::chrono::steady_clock::now() > until)
        throw CheckpointError(owner + " has been publishing a file in " + folder.string() + " for " + std::to_string(kFencePatience.count()) +
                              " s and may be frozen. End it, then start this command again.");
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
  }
  ~Fence() { ::flock(descriptor_, LOCK_UN); }
  Fence(const Fence&) = delete;
  Fence& operator=(const Fence&) = delete;

 private:
  int descriptor_;
};

}  // namespace

struct FolderLock::Owner {
  std::string who;  // "process 12 on host", or "nobody"
  int64_t generation = 0, restart = 0;
  std::string job;
};

FolderLock::Owner FolderLock::parse(const std::string& text) {
  Owner owner;
  std::istringstream lines(text);
  std::getline(lines, owner.who);
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("generation ")) owner.generation = number(line.substr(11));
    if (line.starts_with("restart ")) owner.restart = number(line.substr(8));
    if (line.starts_with("job ")) owner.job = line.substr(4);
  }
  return owner;
}

FolderLock::FolderLock(const fs::path& folder) : folder_(folder) {
  fence_ = ::open((folder_ / "lock.fence").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (fence_ < 0) refuse(folder_, errno);
  try {
    acquire();
  } catch (...) {
    if (descriptor_ >= 0) ::close(descriptor_);
    ::close(fence_);
    throw;
  }
}

void FolderLock::acquire() {
  const auto file = folder_ / "lock";
  const Fence fence(fence_, folder_, "another process");
  descriptor_ = ::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (descriptor_ < 0) refuse(folder_, errno);
  const bool locked = ::flock(descriptor_, LOCK_EX | LOCK_NB) == 0;
  if (!locked && errno != EWOULDBLOCK)
    log_warning("the file system of " + folder_.string() + " has no locks (" + std::strerror(errno) + "): see to it that no other process uses this run folder.");
  const Owner older = parse(contents(descriptor_));
  earlier_may_live_ = !older.who.empty() && older.who != kNobody;
  if (!locked && errno == EWOULDBLOCK) return replace(file, older);
  announce(older.generation);
}

void FolderLock::replace(const fs::path& file, const Owner& older) {
  const auto restart = environment("SLURM_RESTART_COUNT");
  if (restart.empty() || number(restart) <= older.restart || environment("SLURM_JOB_ID") != older.job)
    throw CheckpointError("the run folder " + folder_.string() + " is in use by " + older.who + ". Wait for it, stop it, or choose another output=FOLDER.");
  const auto temporary = folder_ / "lock.tmp";  // one name: the fence is held
  ::close(descriptor_);
  ::unlink(temporary.c_str());
  descriptor_ = ::open(temporary.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
  if (descriptor_ < 0) refuse(folder_, errno);
  ::flock(descriptor_, LOCK_EX | LOCK_NB);
  announce(older.generation);
  if (::rename(temporary.c_str(), file.c_str()) != 0) refuse(folder_, errno);
  log_warning("the run folder " + folder_.string() + " was in use by " + older.who + " (generation " + std::to_string(older.generation) +
              "); this restart of the job takes it over as generation " + std::to_string(generation_) + ".");
}

void FolderLock::announce(int64_t after) {
  generation_ = after + 1;
  text_ = "process " + std::to_string(::getpid()) + " on " + host_name() + "\ngeneration " + std::to_string(generation_) + "\nrestart " +
          std::to_string(number(environment("SLURM_RESTART_COUNT"))) + "\njob " + environment("SLURM_JOB_ID") + "\n";
  // Longest text first, then cut: a process that dies in between leaves the new text, not an empty file that would begin to count anew.
  if (::pwrite(descriptor_, text_.data(), text_.size(), 0) != static_cast<ssize_t>(text_.size()) ||
      ::ftruncate(descriptor_, static_cast<off_t>(text_.size())) != 0 || ::fsync(descriptor_) != 0)
    refuse(folder_, errno);
}

FolderLock::~FolderLock() {
  // Written through the descriptor: after a take-over this reaches only the file that is no longer in place.
  const auto text = std::string(kNobody) + "\ngeneration " + std::to_string(generation_) + "\n";
  const bool written = ::pwrite(descriptor_, text.data(), text.size(), 0) == static_cast<ssize_t>(text.size());
  if (written && ::ftruncate(descriptor_, static_cast<off_t>(text.size())) != 0) log_warning("cannot cut " + (folder_ / "lock").string() + ".");
  ::close(descriptor_);
  ::close(fence_);
}

void FolderLock::check() const {
  const auto file = folder_ / "lock";
  const int descriptor = ::open(file.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) throw CheckpointError("cannot read " + file.string() + ", which marks the folder as in use by this process: " + std::strerror(errno) + ".");
  const auto text = contents(descriptor);
  ::close(descriptor);
  if (text == text_) return;
  const Owner owner = parse(text);
  throw SupersededError("superseded: " + owner.who + " (generation " + std::to_string(owner.generation) + ") has taken over the run folder " + folder_.string() +
                        ". This process (generation " + std::to_string(generation_) + ") ends without writing to it.");
}

void FolderLock::guarded(const std::function<void()>& action) const {
  const std::lock_guard guard(mutex_);
  const Fence fence(fence_, folder_, "another process");
  check();
  action();
}

}  // namespace liere
