#include "train/checkpoint_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <nlohmann/json.hpp>

#include "core/check.h"
#include "core/files.h"
#include "core/log.h"
#include "train/folder_lock.h"

namespace liere {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

json to_json(const Classification& c) { return {{"count", c.count}, {"correct1", c.correct1}, {"correct5", c.correct5}, {"loss_sum", c.loss_sum}}; }
Classification classification_of(const json& object) {
  return {object.at("count").get<int64_t>(), object.at("correct1").get<int64_t>(), object.at("correct5").get<int64_t>(), object.at("loss_sum").get<double>()};
}

std::map<std::string, std::string> metadata_of(const CheckpointInfo& info, const json& digests) {
  const auto& s = info.state;
  const json best = {{"top1", s.best.top1}, {"epoch", s.best.epoch}, {"step", s.best.step}};
  json evaluated = to_json(s.evaluated.views);
  if (s.evaluated.several_views()) evaluated.update({{"views_per_sample", s.evaluated.views_per_sample}, {"videos", to_json(s.evaluated.samples)}});
  const json training_loss = {{"sum", s.loss_sum}, {"count", s.loss_count}};
  return {{"format", kCheckpointFormat},
          {"step", std::to_string(s.step)},
          {"epoch", std::to_string(s.epoch)},
          {"samples", std::to_string(s.samples)},
          {"evaluated_step", std::to_string(s.evaluated_step)},
          {"evaluated", evaluated.dump()},
          {"training_loss", training_loss.dump()},
          {"skipped", std::to_string(s.skipped)},
          {"skipped_in_a_row", std::to_string(s.skipped_in_a_row)},
          {"seconds", json(s.seconds).dump()},
          {"best", best.dump()},
          {"metric_offsets", json(s.metric_offsets).dump()},
          {"config", info.config},
          {"identity", json(info.identity_lines).dump()},
          {"class_names", json(info.class_names).dump()},
          {"name", info.name},
          {"threads", std::to_string(info.threads)},
          {"xxh3", digests.dump()},
          {kHeaderDigestKey, kNoDigest}};
}

CheckpointInfo info_of(const std::map<std::string, std::string>& metadata) {
  CheckpointInfo info;
  auto& s = info.state;
  s.step = std::stoll(metadata.at("step"));
  s.epoch = std::stoll(metadata.at("epoch"));
  s.samples = std::stoll(metadata.at("samples"));
  s.evaluated_step = std::stoll(metadata.at("evaluated_step"));
  const auto evaluated = json::parse(metadata.at("evaluated"));
  s.evaluated.views = s.evaluated.samples = classification_of(evaluated);
  s.evaluated.views_per_sample = evaluated.value("views_per_sample", int64_t{1});
  if (s.evaluated.several_views()) s.evaluated.samples = classification_of(evaluated.at("videos"));
  const auto training_loss = json::parse(metadata.at("training_loss"));
  s.loss_sum = training_loss.at("sum").get<double>();
  s.loss_count = training_loss.at("count").get<int64_t>();
  s.skipped = std::stoll(metadata.at("skipped"));
  s.skipped_in_a_row = std::stoll(metadata.at("skipped_in_a_row"));
  s.seconds = json::parse(metadata.at("seconds")).get<double>();
  const auto best = json::parse(metadata.at("best"));
  s.best = {best.at("top1").get<double>(), best.at("epoch").get<int64_t>(), best.at("step").get<int64_t>()};
  s.metric_offsets = json::parse(metadata.at("metric_offsets")).get<std::map<std::string, int64_t>>();
  info.config = metadata.at("config");
  info.identity_lines = json::parse(metadata.at("identity")).get<std::vector<std::string>>();
  info.class_names = json::parse(metadata.at("class_names")).get<std::vector<std::string>>();
  info.name = metadata.at("name");
  info.threads = std::stoi(metadata.at("threads"));
  return info;
}

[[noreturn]] void fail(const fs::path& path, int error) { throw CheckpointError("cannot write " + path.string() + ": " + std::strerror(error) + "."); }

void guarded(const FolderLock* lock, const std::function<void()>& action) { lock ? lock->guarded(action) : action(); }

/// A checkpoint names the bytes of the metric files that belong to it: they must be on the disk before it is. Absent files are passed over.
void sync_metric_files(const fs::path& run, const std::map<std::string, int64_t>& offsets) {
  for (const auto& [name, bytes] : offsets) {
    const auto path = run / name;
    const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (descriptor < 0 && errno == ENOENT) continue;
    if (descriptor < 0) fail(path, errno);
    const int error = ::fdatasync(descriptor) == 0 || errno == EINVAL ? 0 : errno;
    ::close(descriptor);
    if (error != 0) fail(path, error);
  }
}

void remove_older(const std::vector<fs::path>& newest_first, int64_t keep, const FolderLock* lock) {
  if (newest_first.size() <= static_cast<size_t>(keep)) return;
  guarded(lock, [&] {
    std::error_code error;
    for (size_t i = static_cast<size_t>(keep); i < newest_first.size(); ++i)
      if (!fs::remove(newest_first[i], error) && error) log_warning("cannot remove the old checkpoint " + newest_first[i].string() + ": " + error.message() + ".");
  });
}

}  // namespace

void write_checkpoint(const fs::path& path, const std::vector<safetensors::TensorView>& tensors, const CheckpointInfo& info, const FolderLock* lock) {
  json digests = json::object();
  for (const auto& tensor : tensors) digests[tensor.name] = hex_digest(tensor.data.data(), tensor.data.size());
  const auto header = with_header_digest(safetensors::header(tensors, metadata_of(info, digests)));
  std::error_code error;
  fs::create_directories(path.parent_path(), error);
  if (error) throw CheckpointError("cannot create " + path.parent_path().string() + ": " + error.message() + ". Choose another output folder.");
  safetensors::write(path, header, tensors, [&](const fs::path& temporary, const std::function<void()>& rename) {
    verify_checkpoint(safetensors::File::open(temporary), temporary);
    guarded(lock, rename);
  });
}

std::string text_of(const CheckpointInfo& info) { return json(metadata_of(info, json::object())).dump(); }

CheckpointInfo info_of_text(const std::string& text) { return info_of(json::parse(text).get<std::map<std::string, std::string>>()); }

CheckpointInfo verified_info(const safetensors::File& file, const fs::path& path) {
  verify_checkpoint(file, path);
  try {
    return info_of(file.metadata());
  } catch (const std::exception& error) {
    throw CheckpointError(path.string() + ": the metadata is incomplete (" + error.what() + "). The file was written by another version; use another checkpoint.");
  }
}

CheckpointInfo read_checkpoint_info(const fs::path& path) { return verified_info(safetensors::File::open(path), path); }

fs::path checkpoint_path(const fs::path& run, int64_t step) {
  char name[40];
  std::snprintf(name, sizeof name, "step-%08lld.safetensors", static_cast<long long>(step));
  return run / "checkpoints" / name;
}

fs::path best_checkpoint_path(const fs::path& run) { return run / "checkpoints" / "best.safetensors"; }

void publish_best(const fs::path& run, const fs::path& path, const FolderLock* lock) {
  const auto best = best_checkpoint_path(run);
  auto temporary = best;
  temporary += ".tmp";
  std::error_code error;
  fs::remove(temporary, error);
  fs::create_hard_link(path, temporary, error);
  try {
    if (error) copy_file_to_disk(path, temporary);
    guarded(lock, [&] {
      if (::rename(temporary.c_str(), best.c_str()) != 0) fail(best, errno);
      // Two names of one file are not renamed onto each other, and the temporary one stays.
      ::unlink(temporary.c_str());
    });
  } catch (...) {
    ::unlink(temporary.c_str());
    throw;
  }
  sync_folder(best.parent_path());
}

void prune_checkpoints(const fs::path& run, int64_t keep, const FolderLock* lock) {
  const auto paths = list_checkpoints(run);
  if (paths.size() <= static_cast<size_t>(keep)) return;
  try {
    verify_checkpoint(safetensors::File::open(paths.front()), paths.front());
  } catch (const CheckpointError& error) {
    log_warning(std::string(error.what()) + " Older checkpoints are kept.");
    return;
  }
  remove_older(paths, keep, lock);
}

void publish_checkpoint(const fs::path& run, const std::vector<safetensors::TensorView>& tensors, const CheckpointInfo& info, bool best, int64_t keep, const FolderLock* lock) {
  const auto path = checkpoint_path(run, info.state.step);
  try {
    sync_metric_files(run, info.state.metric_offsets);
    write_checkpoint(path, tensors, info, lock);
    if (best) publish_best(run, path, lock);
    // The newest file was read back before it got its name; one of a later step would be a damaged leftover.
    const auto paths = list_checkpoints(run);
    if (!paths.empty() && paths.front() == path) remove_older(paths, keep, lock);
    else prune_checkpoints(run, keep, lock);
  } catch (const CheckpointError&) {
    throw;
  } catch (const std::exception& error) {
    throw CheckpointError("cannot write " + path.string() + ": " + error.what());
  }
}

}  // namespace liere
