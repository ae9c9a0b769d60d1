#include "core/files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <utility>

#include "core/check.h"

namespace liere {
namespace {

/// A file descriptor that closes itself.
class Descriptor {
 public:
  explicit Descriptor(int value) : value_(value) {}
  ~Descriptor() {
    if (value_ >= 0) ::close(value_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return value_; }
  /// close() with its result: network file systems report a failed write only here.
  int close() { return ::close(std::exchange(value_, -1)); }

 private:
  int value_;
};

std::string reason() { return std::strerror(errno); }

[[noreturn]] void fail_writing(const std::filesystem::path& path, const char* what) {
  throw Error(ExitCode::kFailure,
              "cannot write " + path.string() + ": " + what + ": " + reason() + ". Check the folder, its permissions and free space.");
}

void write_all(int descriptor, std::string_view content, const std::filesystem::path& path) {
  while (!content.empty()) {
    const ssize_t written = ::write(descriptor, content.data(), content.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) fail_writing(path, "write");
    content.remove_prefix(static_cast<size_t>(written));
  }
}

void write_and_sync(const std::filesystem::path& temporary, const std::filesystem::path& path, std::string_view content) {
  Descriptor file(::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666));
  if (file.get() < 0) fail_writing(path, "creating a temporary file beside it");
  write_all(file.get(), content, path);
  if (::fsync(file.get()) != 0) fail_writing(path, "fsync");
  if (file.close() != 0) fail_writing(path, "close");
}

}  // namespace

std::string read_file(const std::filesystem::path& path, uint64_t limit) {
  Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (file.get() < 0) throw DataError("cannot read " + path.string() + ": " + reason() + ".");
  struct stat status = {};
  if (::fstat(file.get(), &status) != 0) throw DataError("cannot read " + path.string() + ": " + reason() + ".");
  const auto too_large = [&] { throw DataError(path.string() + " is larger than the limit of " + std::to_string(limit) + " bytes."); };
  // A pipe has no size: its end is found by reading.
  const uint64_t size = S_ISREG(status.st_mode) ? static_cast<uint64_t>(status.st_size) : 0;
  if (size > limit) too_large();
  std::string content;
  content.resize(size + 1);  // one more than expected, so that the end is seen without growing
  uint64_t filled = 0;
  for (;;) {
    if (filled == content.size()) content.resize(content.size() * 2);
    const ssize_t got = ::read(file.get(), content.data() + filled, content.size() - filled);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) throw DataError("cannot read " + path.string() + ": " + reason() + ".");
    if (got == 0) break;
    filled += static_cast<uint64_t>(got);
    if (filled > limit) too_large();
  }
  content.resize(filled);
  return content;
}

void write_file_atomically(const std::filesystem::path& path, std::string_view content) {
  static std::atomic<uint64_t> count = 0;
  std::filesystem::path temporary = path;
  temporary += ".tmp-" + std::to_string(::getpid()) + "-" + std::to_string(count++);
  const auto folder_path = path.has_parent_path() ? path.parent_path() : std::filesystem::path(".");
  try {
    write_and_sync(temporary, path, content);
    if (::rename(temporary.c_str(), path.c_str()) != 0) fail_writing(path, "rename");
  } catch (...) {
    ::unlink(temporary.c_str());
    throw;
  }
  const Descriptor folder(::open(folder_path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (folder.get() < 0) fail_writing(path, "opening its folder");
  // EINVAL: file systems that do not sync folders.
  if (::fsync(folder.get()) != 0 && errno != EINVAL) fail_writing(path, "fsync of its folder");
}

}  // namespace liere
