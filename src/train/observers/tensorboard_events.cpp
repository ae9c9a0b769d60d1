#include "train/observers/tensorboard_events.h"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <vector>

#include "core/check.h"
#include "core/tensorboard.h"

namespace liere {
namespace {

namespace fs = std::filesystem;

constexpr auto kFolder = "tensorboard";
constexpr std::string_view kPrefix = "events.out.tfevents.";

struct Tag {
  const char* key;  // in metrics.jsonl
  const char* tag;
  const char* description;
};
constexpr Tag kTrainTags[] = {
    {"loss", "train/loss", "Training loss: mean over the samples of the step."},
    {"lr", "train/lr", "Learning rate of the step."},
    {"grad_norm", "train/grad_norm", "2-norm of the whole gradient, before clipping."},
    {"samples_per_second", "train/samples_per_second", "Training samples per second."},
    {"data_wait", "train/data_wait", "Share of the time spent waiting for data, 0 to 1."},
    {"orthogonality", "train/orthogonality", "Largest entry of |R^T R - I| over the rotations of the step."},
    {"mfu", "train/mfu", "Share of the machine's peak: 6 x multiply-adds of a forward pass x samples per second / peak FLOP per second."},
    {"parameter_norm", "train/parameter_norm", "2-norm of all parameters."},
    {"skipped_steps", "train/skipped_steps", "Non-finite steps so far, for which no update was made."},
    {"memory", "memory", "Bytes: the most the process (CPU) or the device's allocator (CUDA) has held so far."},
};
constexpr Tag kEvalTags[] = {
    {"top1", "/top1", "Top-1 accuracy in percent."},
    {"top5", "/top5", "Top-5 accuracy in percent."},
    {"loss", "/loss", "Cross entropy: mean over the samples."},
    {"video_top1", "/video_top1", "Top-1 accuracy in percent of the mean of each video's views."},
    {"video_loss", "/video_loss", "Cross entropy of the mean of each video's views."},
};

double now() { return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count(); }

/// TensorBoard reads a folder's files in the order of their names: each is later than all before it.
std::string next_name(const std::vector<std::string>& names) {
  auto seconds = static_cast<long long>(now());
  for (const auto& name : names) seconds = std::max(seconds, std::atoll(name.c_str() + kPrefix.size()) + 1);
  char host[128] = "host";
  ::gethostname(host, sizeof host - 1);
  return std::string(kPrefix) + std::to_string(seconds) + "." + host + "." + std::to_string(::getpid());
}

/// As Markdown that is shown as it stands.
std::string indented(const std::string& text) {
  std::string result;
  for (const char c : text) {
    if (result.empty() || result.back() == '\n') result += "    ";
    result += c;
  }
  return result;
}

}  // namespace

TensorboardEvents::TensorboardEvents(const fs::path& run, const std::map<std::string, int64_t>& offsets, int64_t step, const std::string& config) {
  const fs::path folder = run / kFolder;
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) throw CheckpointError("cannot make the folder " + folder.string() + ": " + error.message() + ". Choose another output=FOLDER, or set log.tensorboard=false.");
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder))
    if (const auto name = entry.path().filename().string(); name.starts_with(kPrefix)) names.push_back(name);
  for (const auto& name : names) {
    const std::string relative = std::string(kFolder) + "/" + name;
    const auto kept = offsets.find(relative);
    if (kept == offsets.end() || kept->second == 0)
      fs::remove(folder / name, error);
    else
      earlier_[relative] = AppendFile(folder / name, kept->second).size();
  }
  const std::string name = next_name(names);
  name_ = std::string(kFolder) + "/" + name;
  file_ = std::make_unique<AppendFile>(folder / name, 0);
  const double time = now();
  file_->append(tensorboard::file_version(time));
  file_->append(tensorboard::session_start(time, step + 1));
  if (!config.empty()) file_->append(tensorboard::text(time, step, "config", indented(config)));
}

void TensorboardEvents::add(const nlohmann::json& event) {
  std::vector<std::string> tags;  // their text must outlive the scalars
  std::vector<tensorboard::Scalar> values;
  tags.reserve(std::size(kTrainTags));
  const auto put = [&](const Tag& tag, const std::string& prefix) {
    const auto found = event.find(tag.key);
    if (found == event.end() || !found->is_number()) return;
    tags.push_back(prefix + tag.tag);
    const bool first = described_.insert(tags.back()).second;
    values.push_back({tags.back(), found->get<double>(), first ? std::string_view(tag.description) : std::string_view()});
  };
  if (event.at("event") == "train") {
    for (const Tag& tag : kTrainTags) put(tag, "");
  } else {
    const auto split = event.at("split").get<std::string>();
    for (const Tag& tag : kEvalTags) put(tag, split == "test" ? "eval" : split);
  }
  if (!values.empty()) file_->append(tensorboard::scalars(now(), event.at("step").get<int64_t>(), values));
}

std::map<std::string, int64_t> TensorboardEvents::offsets() const {
  auto all = earlier_;
  all[name_] = file_->size();
  return all;
}

}  // namespace liere
