#include "train/observers/append_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "core/check.h"

namespace liere {
namespace {

[[noreturn]] void fail(const std::filesystem::path& path, const std::string& reason) {
  throw CheckpointError("cannot write " + path.string() + ": " + reason + ". Make room on the disk, or choose another output=FOLDER.");
}

}  // namespace

AppendFile::AppendFile(const std::filesystem::path& path, int64_t keep) : path_(path) {
  descriptor_ = ::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
  if (descriptor_ < 0) fail(path, std::strerror(errno));
  struct stat status = {};
  bool good = ::fstat(descriptor_, &status) == 0;
  written_ = status.st_size;
  if (good && written_ > keep) {
    good = ::ftruncate(descriptor_, keep) == 0;
    written_ = keep;
  }
  if (good) return;
  const std::string reason = std::strerror(errno);
  ::close(descriptor_);
  fail(path, reason);
}

AppendFile::~AppendFile() {
  flush();
  ::close(descriptor_);
}

std::string AppendFile::flush() {
  size_t done = 0;
  while (done < waiting_.size()) {
    const ssize_t count = ::pwrite(descriptor_, waiting_.data() + done, waiting_.size() - done, written_ + static_cast<int64_t>(done));
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) {
      const std::string reason = count < 0 ? std::strerror(errno) : "nothing was written";
      // If this fails too, the next flush writes over the half record, at the same place.
      if (done > 0 && ::ftruncate(descriptor_, written_) != 0) return reason + ", and the part written could not be taken back";
      return reason;
    }
    done += static_cast<size_t>(count);
  }
  if (done > 0) synced_ = false;
  written_ += static_cast<int64_t>(done);
  waiting_.clear();
  return "";
}

void AppendFile::sync() {
  if (const std::string problem = flush(); !problem.empty()) fail(path_, problem);
  // EINVAL: file systems that do not sync.
  if (!synced_ && ::fdatasync(descriptor_) != 0 && errno != EINVAL) fail(path_, std::strerror(errno));
  synced_ = true;
}

}  // namespace liere
