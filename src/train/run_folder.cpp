#include "train/run_folder.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "core/check.h"
#include "core/files.h"
#include "core/log.h"

namespace liere {
namespace {

namespace fs = std::filesystem;

fs::path free_name_beside(const fs::path& path) {
  for (int i = 1;; ++i) {
    auto candidate = path;
    candidate += "." + std::to_string(i);
    if (!fs::exists(candidate)) return candidate;
  }
}

/// What a killed process left half-written.
void remove_leftovers(const fs::path& run) {
  std::error_code ignored;
  for (const auto& folder : {run, run / "checkpoints"})
    for (const auto& entry : fs::directory_iterator(folder, ignored))
      if (entry.path().extension() == ".tmp") fs::remove(entry.path(), ignored);
}

/// The configuration with which a folder was last used; nullopt where there is none.
std::optional<ExperimentConfig> config_in(const fs::path& run) {
  const auto file = run / "config.yaml";
  if (!fs::exists(file)) return std::nullopt;
  try {
    ExperimentConfig config;
    decode(parse_config(read_file(file), file.string()), config);
    resolve(config);
    return config;
  } catch (const Error& error) {
    throw CheckpointError(run.string() + " was used with a configuration that cannot be read now (" + error.what() +
                          "). Choose another output=FOLDER, or move it aside with --force.");
  }
}

}  // namespace

FolderLock::FolderLock(const fs::path& folder) : file_(folder / "lock") {
  descriptor_ = ::open(file_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (descriptor_ < 0) throw CheckpointError("cannot write to the output folder " + folder.string() + ": " + std::strerror(errno) + ". Choose another output=FOLDER.");
  if (::flock(descriptor_, LOCK_EX | LOCK_NB) != 0) {
    char owner[256] = {};
    const auto count = ::pread(descriptor_, owner, sizeof owner - 1, 0);
    ::close(descriptor_);
    throw CheckpointError("the run folder " + folder.string() + " is in use by " + (count > 0 ? std::string(owner, static_cast<size_t>(count)) : "another process") +
                          ". Wait for it, stop it, or choose another output=FOLDER.");
  }
  char host[128] = "this host";
  ::gethostname(host, sizeof host - 1);
  const auto text = "process " + std::to_string(::getpid()) + " on " + host;
  if (::ftruncate(descriptor_, 0) != 0 || ::pwrite(descriptor_, text.data(), text.size(), 0) != static_cast<ssize_t>(text.size())) {
    const std::string reason = std::strerror(errno);
    ::close(descriptor_);
    throw CheckpointError("cannot write to the output folder " + folder.string() + ": " + reason + ". Choose another output=FOLDER, or make room on the disk.");
  }
}

FolderLock::~FolderLock() {
  std::error_code ignored;
  fs::remove(file_, ignored);
  ::close(descriptor_);
}

RunFolder::RunFolder(const Experiment& experiment, ResumeMode mode) : path_(experiment.config.output) {
  std::error_code error;
  if (fs::exists(path_) && !fs::is_directory(path_)) throw CheckpointError("the output " + path_.string() + " is a file, expected a folder. Choose another output=FOLDER.");
  if (mode == ResumeMode::kInsist && !fs::exists(path_))
    throw CheckpointError("--resume: there is no run in " + path_.string() + ". Leave --resume out to start one, or name the run with --output FOLDER.");
  fs::create_directories(path_, error);
  if (error) throw CheckpointError("cannot create the output folder " + path_.string() + ": " + error.message() + ". Choose another output=FOLDER.");
  lock_ = std::make_unique<FolderLock>(path_);
  if (mode == ResumeMode::kForce && (fs::exists(path_ / "config.yaml") || fs::exists(path_ / "checkpoints"))) {
    const auto aside = free_name_beside(path_);
    lock_.reset();
    fs::rename(path_, aside, error);
    if (error) throw CheckpointError("cannot move " + path_.string() + " to " + aside.string() + ": " + error.message());
    log_info("--force: the earlier run is now in " + aside.string());
    fs::create_directories(path_);
    lock_ = std::make_unique<FolderLock>(path_);
  }
  remove_leftovers(path_);
  if (const auto used = config_in(path_)) {
    const auto lines = compare_identity(identity_lines(experiment.config), identity_lines(*used));
    if (!lines.empty()) {
      std::string message = path_.string() + " holds a run of another configuration:";
      for (const auto& line : lines) message += "\n  " + line;
      throw CheckpointError(message + "\nChoose another output=FOLDER, or move the old run aside with --force.");
    }
    resume_from_ = newest_valid_checkpoint(path_);
  }
  if (mode == ResumeMode::kInsist && !resume_from_)
    throw CheckpointError("--resume: there is no checkpoint in " + (path_ / "checkpoints").string() + ". Leave --resume out to start the run anew.");
}

RunFolder::~RunFolder() { close_log_file(); }

void RunFolder::begin(const std::string& resolved_config) {
  write_file_atomically(path_ / "config.yaml", resolved_config);
  open_log_file(path_ / "log.txt");
}

CheckpointChoice choose_checkpoint(const std::string& argument) {
  const fs::path path = argument;
  if (fs::is_regular_file(path)) {
    const auto parent = fs::absolute(path).parent_path();
    return {path, parent.filename() == "checkpoints" ? parent.parent_path() : parent};
  }
  if (!fs::is_directory(path)) throw CheckpointError("there is no run folder or checkpoint at " + argument + ". Expected a folder made by liere-train, or one of its checkpoints/*.safetensors.");
  auto newest = newest_valid_checkpoint(path);
  if (!newest) throw CheckpointError(argument + " holds no checkpoint: expected " + (path / "checkpoints/step-*.safetensors").string() + ". Train it with liere-train --output " + argument + ".");
  return {*newest, path};
}

}  // namespace liere
