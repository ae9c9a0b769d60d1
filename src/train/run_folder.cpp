#include "train/run_folder.h"

#include <unistd.h>

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
      if (entry.path().extension().string().starts_with(".tmp")) fs::remove(entry.path(), ignored);
}

/// An earlier process that is not known to be dead may wake up with metric files and log still open: they become its own, and copies take their places.
void detach_open_files(const fs::path& run) {
  std::vector<fs::path> files;
  std::error_code ignored;
  for (const auto& folder : {run, run / "tensorboard"})
    for (const auto& entry : fs::directory_iterator(folder, ignored))
      if (entry.is_regular_file() && !entry.path().filename().string().starts_with("lock")) files.push_back(entry.path());
  for (const auto& file : files) {
    auto copy = file;
    copy += ".tmp";
    copy_file_to_disk(file, copy);
    fs::rename(copy, file);
  }
}

void create_folder(const fs::path& path) {
  std::error_code error;
  if (fs::exists(path, error) && !fs::is_directory(path, error))
    throw CheckpointError("the output " + path.string() + " is a file, expected a folder. Choose another output=FOLDER.");
  fs::create_directories(path, error);
  if (error) throw CheckpointError("cannot create the output folder " + path.string() + ": " + error.message() + ". Choose another output=FOLDER.");
}

void require_writable(const fs::path& path) {
  if (const int error = write_probe(path); error != 0)
    throw CheckpointError("cannot write to the output folder " + path.string() + ": " + std::strerror(error) + ". Choose another output=FOLDER, or make room and give permission there.");
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

RunFolder::RunFolder(const Experiment& experiment, ResumeMode mode) : path_(experiment.config.output) {
  std::error_code error;
  if (mode == ResumeMode::kInsist && !fs::exists(path_))
    throw CheckpointError("--resume: there is no run in " + path_.string() + ". Leave --resume out to start one, or name the run with --output FOLDER.");
  create_folder(path_);
  lock_ = std::make_unique<FolderLock>(path_);
  if (mode == ResumeMode::kForce && (fs::exists(path_ / "config.yaml") || fs::exists(path_ / "checkpoints"))) {
    const auto aside = free_name_beside(path_);
    // The lock moves with the folder and is held until it has: nobody can begin in between.
    fs::rename(path_, aside, error);
    if (error) throw CheckpointError("cannot move " + path_.string() + " to " + aside.string() + ": " + error.message());
    log_info("--force: the earlier run is now in " + aside.string());
    create_folder(path_);
    lock_ = std::make_unique<FolderLock>(path_);
  }
  require_writable(path_);
  remove_leftovers(path_);
  if (lock_->earlier_may_live()) detach_open_files(path_);
  if (const auto used = config_in(path_)) {
    const auto lines = compare_identity(identity_lines(experiment.config), identity_lines(*used));
    if (!lines.empty()) {
      std::string message = path_.string() + " holds a run of another configuration:";
      for (const auto& line : lines) message += "\n  " + line;
      throw CheckpointError(message + "\nChoose another output=FOLDER, move the old run aside with --force, or begin another run with its weights by init.checkpoint=" + path_.string() + " and another output=FOLDER.");
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

void check_output_folder(const fs::path& output) {
  std::error_code ignored;
  auto innermost = fs::absolute(output).lexically_normal();
  if (!innermost.has_filename()) innermost = innermost.parent_path();
  std::vector<fs::path> made;  // innermost first
  for (auto folder = innermost; !fs::exists(folder, ignored) && folder != folder.parent_path(); folder = folder.parent_path()) made.push_back(folder);
  const auto clean = [&] {
    // Only what is empty: another process may have begun there meanwhile.
    for (const auto& folder : made) fs::remove(folder, ignored);
  };
  try {
    create_folder(output);
    require_writable(output);
  } catch (...) {
    clean();
    throw;
  }
  clean();
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
