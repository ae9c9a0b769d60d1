#include "core/files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <system_error>
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

const char* kind_of(mode_t mode) {
  return S_ISDIR(mode) ? "a folder" : S_ISBLK(mode) ? "a block device" : S_ISSOCK(mode) ? "a socket" : "not a file";
}

/// Standard output or error, if the path leads there (as /dev/stdout does, redirected or not); else -1.
int standard_stream(const struct stat& status) {
  for (const int descriptor : {STDOUT_FILENO, STDERR_FILENO}) {
    struct stat open_file = {};
    if (::fstat(descriptor, &open_file) == 0 && open_file.st_dev == status.st_dev && open_file.st_ino == status.st_ino) return descriptor;
  }
  return -1;
}

/// What cannot be replaced, or must not be: a pipe, a terminal, /dev/null, standard output. False where `path` is free or a file of its own.
bool wrote_into_stream(const std::filesystem::path& path, std::string_view content) {
  struct stat status = {};
  if (::stat(path.c_str(), &status) != 0) return false;
  const int standard = standard_stream(status);
  if (S_ISREG(status.st_mode) && standard < 0) return false;
  if (standard < 0 && !S_ISCHR(status.st_mode) && !S_ISFIFO(status.st_mode))
    throw Error(ExitCode::kFailure, "cannot write " + path.string() + ": it is " + kind_of(status.st_mode) + ". Name a file, or a pipe or terminal such as /dev/stdout.");
  std::fflush(nullptr);  // what was printed before comes before
  // A duplicate shares the position in a redirected file; opening the path again would start over at its beginning.
  Descriptor stream(standard >= 0 ? ::dup(standard) : ::open(path.c_str(), O_WRONLY | O_CLOEXEC));
  if (stream.get() < 0) fail_writing(path, "open");
  write_all(stream.get(), content, path);
  return true;
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

void write_file_atomically(const std::filesystem::path& named, std::string_view content) {
  if (wrote_into_stream(named, content)) return;
  std::error_code no_target;  // of a link whose file is not there yet: the link is replaced
  const auto target = std::filesystem::is_symlink(named, no_target) ? std::filesystem::canonical(named, no_target) : named;
  const auto path = target.empty() ? named : target;
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
  try {
    sync_folder(folder_path);
  } catch (const std::system_error& error) {
    errno = error.code().value();
    fail_writing(path, "fsync of its folder");
  }
}

void sync_folder(const std::filesystem::path& folder) {
  const Descriptor opened(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (opened.get() < 0) throw std::system_error(errno, std::generic_category());
  while (::fsync(opened.get()) != 0) {
    if (errno == EINTR) continue;
    if (errno == EINVAL) return;
    throw std::system_error(errno, std::generic_category());
  }
}

void copy_file_to_disk(const std::filesystem::path& from, const std::filesystem::path& to) {
  std::error_code error;
  const bool copied = std::filesystem::copy_file(from, to, error);
  if (copied && !error) {
    const Descriptor file(::open(to.c_str(), O_RDONLY | O_CLOEXEC));
    if (file.get() >= 0 && ::fsync(file.get()) == 0) return;
    error = {errno, std::generic_category()};
  }
  if (error != std::errc::file_exists) ::unlink(to.c_str());
  throw std::system_error(error);
}

int write_probe(const std::filesystem::path& folder) {
  const auto base = folder / ("probe-" + std::to_string(::getpid()));
  const auto written = base.string() + "-0.tmp", renamed = base.string() + "-1.tmp";
  const std::string content(4096, 'p');
  int error = 0;
  errno = 0;
  {
    Descriptor file(::open(written.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
    const bool good = file.get() >= 0 && ::write(file.get(), content.data(), content.size()) == static_cast<ssize_t>(content.size()) &&
                      ::fsync(file.get()) == 0 && file.close() == 0 && ::rename(written.c_str(), renamed.c_str()) == 0;
    if (!good) error = errno != 0 ? errno : ENOSPC;
  }
  ::unlink(written.c_str());
  ::unlink(renamed.c_str());
  return error;
}

}  // namespace liere
