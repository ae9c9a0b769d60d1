#include "data/dicom/decode_child.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <thread>
#include <vector>

#include "core/check.h"
#include "data/dicom/rejection.h"

extern char** environ;

namespace liere {
namespace {

namespace fs = std::filesystem;

/// A file in memory, closed with the object; not handed on to other children.
class MemoryFile {
 public:
  explicit MemoryFile(const char* name) : file_(::memfd_create(name, MFD_CLOEXEC)) {
    if (file_ < 0) throw Error(ExitCode::kFailure, std::string("No file in memory for a compressed DICOM file: ") + std::strerror(errno) + ".");
  }
  ~MemoryFile() { ::close(file_); }
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;
  int get() const { return file_; }

  void write(std::string_view bytes) const {
    while (!bytes.empty()) {
      const auto count = ::write(file_, bytes.data(), bytes.size());
      if (count < 0 && errno == EINTR) continue;
      if (count <= 0)
        throw Error(ExitCode::kFailure, std::string("A compressed DICOM file was not handed to its decoder: ") + std::strerror(errno) + ".");
      bytes.remove_prefix(static_cast<size_t>(count));
    }
    ::lseek(file_, 0, SEEK_SET);
  }

  /// The content if it has exactly `size` bytes, else nothing.
  std::string read(size_t size) const {
    struct stat info {};
    if (::fstat(file_, &info) != 0 || static_cast<size_t>(info.st_size) != size) return "";
    std::string bytes(size, '\0');
    for (size_t done = 0; done < size;) {
      const auto count = ::pread(file_, bytes.data() + done, size - done, static_cast<off_t>(done));
      if (count < 0 && errno == EINTR) continue;
      if (count <= 0) return "";
      done += static_cast<size_t>(count);
    }
    return bytes;
  }

 private:
  int file_;
};

std::string decoder_program() {
  if (const char* named = std::getenv("LIERE_DICOM_DECODE")) return named;
  std::error_code error;
  const auto folder = fs::read_symlink("/proc/self/exe", error).parent_path();
  for (const auto& candidate : {folder / "liere-dicom-decode", folder / "../liere-dicom-decode", folder / "../libexec/liere-dicom-decode"})
    if (::access(candidate.c_str(), X_OK) == 0) return candidate;
  throw ConfigError("Compressed DICOM files are decoded by the program liere-dicom-decode, which is not beside this one (" + folder.string() +
                    "): build it (ninja liere-dicom-decode), or name it in LIERE_DICOM_DECODE.");
}

pid_t start(const std::string& program, const std::vector<std::string>& arguments, int input, int output) {
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, input, STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
  posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
  std::vector<char*> argv = {const_cast<char*>(program.c_str())};
  for (const auto& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  pid_t child = -1;
  const int error = ::posix_spawn(&child, program.c_str(), &actions, nullptr, argv.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  if (error != 0) throw ConfigError("The decoder of compressed DICOM files, " + program + ", does not start: " + std::strerror(error) + ".");
  return child;
}

/// The child's wait status; kills it at the deadline and says so by -1.
int wait_for(pid_t child, double seconds) {
  using Clock = std::chrono::steady_clock;
  const auto begin = Clock::now();
  auto pause = std::chrono::microseconds(500);
  for (int status = 0;;) {
    const auto ended = ::waitpid(child, &status, WNOHANG);
    if (ended == child) return status;
    if (ended < 0 && errno != EINTR) return -1;
    if (std::chrono::duration<double>(Clock::now() - begin).count() > seconds) {
      ::kill(child, SIGKILL);
      while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
      }
      return -1;
    }
    std::this_thread::sleep_for(pause);
    pause = std::min(pause * 2, std::chrono::microseconds(10000));
  }
}

}  // namespace

std::string decode_in_child(const std::string& reduced, const std::string& transfer_syntax, size_t pixel_bytes, const DecodeLimits& limits) {
  const MemoryFile input("liere-dicom-in"), output("liere-dicom-out");
  input.write(reduced);
  const auto child =
      start(decoder_program(),
            {transfer_syntax, std::to_string(pixel_bytes), std::to_string(limits.bytes), std::to_string(static_cast<int64_t>(limits.seconds) + 1)},
            input.get(), output.get());
  const int status = wait_for(child, limits.seconds);
  if (status == -1 || (WIFSIGNALED(status) && WTERMSIG(status) == SIGXCPU))
    throw DicomRejection("decoder_timeout",
                         "The decoder took longer than " + std::to_string(limits.seconds) + " s and was stopped: the compressed pixels are damaged.");
  if (WIFSIGNALED(status))
    throw DicomRejection("decoder_died", "The decoder died of signal " + std::to_string(WTERMSIG(status)) +
                                             " (memory limit or a defect): the compressed pixels are damaged.");
  auto pixels = WEXITSTATUS(status) == 0 ? output.read(pixel_bytes) : "";
  if (pixels.size() != pixel_bytes || pixel_bytes == 0)
    throw DicomRejection("decoder_refused", "The compressed pixels do not decode to " + std::to_string(pixel_bytes) + " bytes: they are damaged.");
  return pixels;
}

}  // namespace liere
