#include "data/stage.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <thread>

#include "core/check.h"
#include "core/files.h"
#include "core/log.h"
#include "core/signals.h"
#include "data/datasets/picture_index.h"
#include "data/volumes/manifest.h"

namespace liere {
namespace {

namespace fs = std::filesystem;

[[noreturn]] void fail(const std::string& what, const fs::path& path, int error) {
  throw DataError("data.stage: " + path.string() + " " + what + ": " + std::strerror(error) +
                  ". Name another folder on this node's disk, or leave data.stage out.");
}

class Descriptor {
 public:
  Descriptor(const fs::path& path, int flags, const std::string& otherwise) : value_(::open(path.c_str(), flags | O_CLOEXEC, 0644)) {
    if (value_ < 0) fail(otherwise, path, errno);
  }
  ~Descriptor() { ::close(value_); }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  operator int() const { return value_; }

 private:
  int value_;
};

void check_stop() {
  if (stop_requested())
    throw Error(ExitCode::kStoppedEarly, std::string("data.stage: stopped by ") + stop_signal_name() + "; what is copied so far is used next time.");
}

/// Held until the end of the copying.
void lock(int descriptor, const fs::path& folder) {
  for (bool told = false; ::flock(descriptor, LOCK_EX | LOCK_NB) != 0; told = true) {
    if (errno != EWOULDBLOCK && errno != EINTR) fail("cannot be locked", folder, errno);
    check_stop();
    if (!told) log_info("waiting for another process of this node that copies the data to " + folder.string());
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
}

struct stat status_of(const fs::path& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) fail("cannot be read", path, errno);
  return status;
}

bool same_time(const struct stat& a, const struct stat& b) { return a.st_mtim.tv_sec == b.st_mtim.tv_sec && a.st_mtim.tv_nsec == b.st_mtim.tv_nsec; }

bool is_current(const fs::path& copy, const struct stat& original) {
  struct stat status {};
  return ::stat(copy.c_str(), &status) == 0 && status.st_size == original.st_size && same_time(status, original);
}

void copy(const fs::path& from, const struct stat& original, const fs::path& to, ProgressLine& progress, int64_t& done) {
  fs::create_directories(to.parent_path());
  const fs::path part = to.string() + ".part";
  try {
    const Descriptor in(from, O_RDONLY, "cannot be read"), out(part, O_WRONLY | O_CREAT | O_TRUNC, "cannot be written");
    std::vector<char> block(4 << 20);
    int64_t copied = 0;
    while (true) {
      check_stop();
      const ssize_t got = ::read(in, block.data(), block.size());
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) fail("cannot be read", from, errno);
      if (got == 0) break;
      for (ssize_t written = 0; written < got;) {
        const ssize_t n = ::write(out, block.data() + written, static_cast<size_t>(got - written));
        if (n < 0 && errno != EINTR) fail("cannot be written", part, errno);
        if (n > 0) written += n;
      }
      copied += got;
      done += got;
      progress.update(done >> 20, to.filename().string());
    }
    const struct stat now = status_of(from);
    if (copied != original.st_size || now.st_size != original.st_size || !same_time(now, original))
      throw DataError("data.stage: " + from.string() + " changed while it was copied: expected " + format_count(original.st_size) + " bytes, found " +
                      format_count(copied) + ". Wait until it is complete and start again.");
    const timespec times[] = {original.st_atim, original.st_mtim};
    if (::fsync(out) != 0 || ::futimens(out, times) != 0) fail("cannot be written", part, errno);
  } catch (...) {
    std::error_code ignored;
    fs::remove(part, ignored);
    throw;
  }
  fs::rename(part, to);
  sync_folder(to.parent_path());
}

fs::path stage_folder(const fs::path& root, const fs::path& stage) {
  const std::string path = fs::weakly_canonical(fs::absolute(root)).string();
  char hash[24];
  std::snprintf(hash, sizeof hash, "liere-%016llx", static_cast<unsigned long long>(XXH64(path.data(), path.size(), 0)));
  return stage / hash;
}

/// Those of `names` that are there, in `root` or in the official sub-folder.
std::vector<StageFile> cifar_files(const fs::path& root, const std::string& folder, const std::vector<std::string>& names) {
  std::vector<StageFile> files;
  for (const auto& prefix : {fs::path(), fs::path(folder)})
    for (const auto& name : names)
      if (fs::is_regular_file(root / prefix / name)) files.push_back({root / prefix / name, (prefix / name).string()});
  return files;
}

template <class Config>
DatasetConfig with_root(Config config, const std::vector<StageFile>& files, const std::string& stage) {
  if (files.empty()) return config;  // opening it says what is missing
  config.root = stage_files(config.root, files, stage).string();
  return config;
}

DatasetConfig staged(const Cifar100Config& config, const std::string& stage) {
  return with_root(config, cifar_files(config.root, "cifar-100-binary", {"train.bin", "test.bin", "fine_label_names.txt"}), stage);
}

DatasetConfig staged(const Cifar10Config& config, const std::string& stage) {
  return with_root(
      config,
      cifar_files(config.root, "cifar-10-batches-bin",
                  {"data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin", "data_batch_4.bin", "data_batch_5.bin", "test_batch.bin"}),
      stage);
}

/// The archives that the indices name, and the indices themselves with the archives beside them.
DatasetConfig staged(ImagenetConfig config, const std::string& stage) {
  const fs::path root = config.root;
  std::vector<StageFile> archives;
  std::vector<std::pair<std::string, PictureIndex>> indices;
  for (const Split split : {Split::kTrain, Split::kTest}) {
    if (!fs::exists(root / index_name(split))) continue;
    auto index = read_picture_index(root / index_name(split));
    archives.push_back({index.list.archive, index.list.archive.filename().string()});
    index.list.archive = index.list.archive.filename();
    indices.emplace_back(index_name(split), std::move(index));
  }
  if (archives.empty())
    throw ConfigError("data.stage copies packed files, but " + root.string() + " has no index of ImageNet's archives (" + index_name(Split::kTrain) +
                      "). Make one with liere-data prepare imagenet, or leave data.stage out.");
  const fs::path folder = stage_files(root, archives, stage);
  for (const auto& [name, index] : indices) write_file_atomically(folder / name, format_picture_index(index));
  config.root = folder.string();
  return config;
}

[[noreturn]] DatasetConfig nothing_packed(const char* kind) {
  throw ConfigError(std::string("data.stage copies packed files, but data of the kind ") + kind + " has none. Leave data.stage out.");
}
DatasetConfig staged(const ArrowsConfig&, const std::string&) { nothing_packed(ArrowsConfig::kind); }
DatasetConfig staged(const SequencesConfig&, const std::string&) { nothing_packed(SequencesConfig::kind); }
DatasetConfig staged(const FolderConfig&, const std::string&) { nothing_packed(FolderConfig::kind); }
DatasetConfig staged(const Ucf101Config&, const std::string&) { nothing_packed(Ucf101Config::kind); }

/// The manifest last: a copy that was cut off has none.
DatasetConfig staged(const VolumesConfig& config, const std::string& stage) {
  std::vector<StageFile> files;
  for (const auto& entry : read_volume_manifest(config.root).entries) files.push_back({fs::path(config.root) / entry.file, entry.file});
  files.push_back({fs::path(config.root) / "manifest.json", "manifest.json"});
  return with_root(config, files, stage);
}

}  // namespace

fs::path stage_files(const fs::path& root, const std::vector<StageFile>& files, const fs::path& stage) {
  const fs::path folder = stage_folder(root, stage);
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) fail("cannot be made", folder, error.value());
  const Descriptor lock_file(folder / "lock", O_RDWR | O_CREAT, "cannot be written");
  lock(lock_file, folder);
  std::vector<std::pair<const StageFile*, struct stat>> missing;
  int64_t bytes = 0;
  for (const auto& file : files) {
    const auto status = status_of(file.source);
    fs::remove(folder / (file.name + ".part"), error);  // of a process that was killed
    if (is_current(folder / file.name, status)) continue;
    missing.emplace_back(&file, status);
    bytes += status.st_size;
  }
  if (missing.empty()) {
    log_info("data.stage: the copies in " + folder.string() + " are current");
    return folder;
  }
  const auto available = static_cast<int64_t>(fs::space(folder).available);
  if (bytes > available)
    throw DataError("data.stage: " + folder.string() + " has " + format_bytes(static_cast<double>(available)) + " free, but the data need " +
                    format_bytes(static_cast<double>(bytes)) + ". Name a folder with more space, or leave data.stage out.");
  log_info("data.stage: copying " + format_bytes(static_cast<double>(bytes)) + " to " + folder.string());
  ProgressLine progress("staging (MiB)", (bytes >> 20) + 1);
  int64_t done = 0;
  for (const auto& [file, status] : missing) copy(file->source, status, folder / file->name, progress, done);
  progress.update((bytes >> 20) + 1, "");
  progress.finish();
  return folder;
}

DatasetConfig staged_dataset(const DataConfig& config) {
  if (!config.stage) return config.dataset;
  return std::visit([&](const auto& dataset) { return staged(dataset, *config.stage); }, config.dataset);
}

}  // namespace liere
