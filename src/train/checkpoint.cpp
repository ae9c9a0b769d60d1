#include "train/checkpoint.h"

#include <xxhash.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "core/check.h"
#include "core/log.h"
#include "core/safetensors.h"

namespace liere {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr auto kFormat = "liere-1";
constexpr auto kHeaderDigestKey = "xxh3.header";
const std::string kAveragePrefix = "ema.";
const std::string kZeroDigest(16, '0');

std::string hex_digest(const void* data, size_t size) {
  char text[17];
  std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(XXH3_64bits(data, size)));
  return text;
}

/// Where the header's own digest stands in the header, after `"xxh3.header":"`.
size_t header_digest_position(const std::string& header) {
  const std::string key = std::string("\"") + kHeaderDigestKey + "\":\"";
  const auto at = header.find(key);
  return at == std::string::npos ? at : at + key.size();
}

safetensors::Dtype dtype_of(const torch::Tensor& tensor) {
  switch (tensor.scalar_type()) {
    case torch::kFloat64: return safetensors::Dtype::kF64;
    case torch::kFloat32: return safetensors::Dtype::kF32;
    case torch::kBFloat16: return safetensors::Dtype::kBF16;
    case torch::kInt64: return safetensors::Dtype::kI64;
    default: throw CheckpointError(std::string("a checkpoint holds float64, float32, bfloat16 and int64 tensors, found ") + toString(tensor.scalar_type()));
  }
}

std::span<const std::byte> bytes_of(const torch::Tensor& tensor) {
  return {static_cast<const std::byte*>(tensor.const_data_ptr()), static_cast<size_t>(tensor.nbytes())};
}

std::map<std::string, std::string> metadata_of(const CheckpointInfo& info, const json& digests) {
  const auto& s = info.state;
  const json best = {{"top1", s.best.top1}, {"epoch", s.best.epoch}, {"step", s.best.step}};
  const json evaluated = {{"count", s.evaluated.count}, {"correct1", s.evaluated.correct1}, {"correct5", s.evaluated.correct5}, {"loss_sum", s.evaluated.loss_sum}};
  const json training_loss = {{"sum", s.loss_sum}, {"count", s.loss_count}};
  return {{"format", kFormat},
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
          {kHeaderDigestKey, kZeroDigest}};
}

CheckpointInfo info_of(const std::map<std::string, std::string>& metadata) {
  CheckpointInfo info;
  auto& s = info.state;
  s.step = std::stoll(metadata.at("step"));
  s.epoch = std::stoll(metadata.at("epoch"));
  s.samples = std::stoll(metadata.at("samples"));
  s.evaluated_step = std::stoll(metadata.at("evaluated_step"));
  const auto evaluated = json::parse(metadata.at("evaluated"));
  s.evaluated = {evaluated.at("count").get<int64_t>(), evaluated.at("correct1").get<int64_t>(), evaluated.at("correct5").get<int64_t>(), evaluated.at("loss_sum").get<double>()};
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

/// Format, header digest and the digest of every tensor.
void verify(const safetensors::File& file, const fs::path& path) {
  const auto& metadata = file.metadata();
  if (const auto format = metadata.find("format"); format == metadata.end() || format->second != kFormat)
    throw CheckpointError(path.string() + ": expected a checkpoint of format " + kFormat + ", found " +
                          (format == metadata.end() ? "no format entry" : "'" + format->second + "'") + ". Only files written by liere-train can be resumed or evaluated.");
  const auto stored = file.header_bytes();
  std::string header(reinterpret_cast<const char*>(stored.data()), stored.size());
  const auto at = header_digest_position(header);
  if (at == std::string::npos || at + kZeroDigest.size() > header.size()) throw CheckpointError(path.string() + ": the header's digest is missing. The file is damaged; use another checkpoint.");
  const auto expected = header.substr(at, kZeroDigest.size());
  header.replace(at, kZeroDigest.size(), kZeroDigest);
  if (hex_digest(header.data(), header.size()) != expected) throw CheckpointError(path.string() + ": the header's digest does not match. The file is damaged; use another checkpoint.");
  const auto digests = json::parse(metadata.at("xxh3"));
  for (const auto& [name, tensor] : file.tensors()) {
    const auto data = file.data(name);
    if (!digests.contains(name) || digests.at(name) != hex_digest(data.data(), data.size()))
      throw CheckpointError(path.string() + ": the digest of tensor '" + name + "' does not match. The file is damaged; use another checkpoint.");
  }
}

CheckpointInfo verified_info(const safetensors::File& file, const fs::path& path) {
  verify(file, path);
  try {
    return info_of(file.metadata());
  } catch (const Error&) {
    throw;
  } catch (const std::exception& error) {
    throw CheckpointError(path.string() + ": the metadata is incomplete (" + error.what() + "). The file was written by another version; use another checkpoint.");
  }
}

std::string shape_text(const std::vector<int64_t>& shape) {
  std::string text = "[";
  for (size_t i = 0; i < shape.size(); ++i) text += (i ? ", " : "") + std::to_string(shape[i]);
  return text + "]";
}

/// One line per tensor that is missing, superfluous, or of another shape or type.
/// A tensor NAME stands in the file as prefix + NAME.
std::vector<std::string> differences(const safetensors::File& file, const NamedTensors& tensors, bool weights_only, const std::string& prefix) {
  std::vector<std::string> lines;
  std::map<std::string, bool> wanted;
  for (const auto& [weight, tensor] : tensors) {
    const auto name = prefix + weight;
    wanted[name] = true;
    if (!file.contains(name)) {
      lines.push_back(name + ": missing in the file");
      continue;
    }
    const auto& found = file.info(name);
    if (found.shape != tensor.sizes().vec()) lines.push_back(name + ": the file has " + shape_text(found.shape) + ", the model " + shape_text(tensor.sizes().vec()));
    else if (found.dtype != dtype_of(tensor)) lines.push_back(name + ": the file has " + std::string(safetensors::name_of(found.dtype)) + ", the model " + std::string(safetensors::name_of(dtype_of(tensor))));
  }
  const auto passed_over = [&](const std::string& name) {
    if (!prefix.empty()) return !name.starts_with(prefix);
    return weights_only && (name.starts_with("optimizer.") || name.starts_with(kAveragePrefix));
  };
  for (const auto& [name, tensor] : file.tensors())
    if (!wanted.count(name) && !passed_over(name)) lines.push_back(name + ": not in the model");
  return lines;
}

}  // namespace

void save_checkpoint(const fs::path& path, const NamedTensors& tensors, const CheckpointInfo& info) {
  torch::NoGradGuard no_grad;
  std::vector<torch::Tensor> on_cpu;
  std::vector<safetensors::TensorView> views;
  json digests = json::object();
  for (const auto& [name, tensor] : tensors) {
    on_cpu.push_back(tensor.detach().to(torch::kCPU).contiguous());
    const auto bytes = bytes_of(on_cpu.back());
    views.push_back({name, dtype_of(tensor), tensor.sizes().vec(), bytes});
    digests[name] = hex_digest(bytes.data(), bytes.size());
  }
  auto header = safetensors::header(views, metadata_of(info, digests));
  const auto digest = hex_digest(header.data(), header.size());
  header.replace(header_digest_position(header), digest.size(), digest);
  std::error_code error;
  fs::create_directories(path.parent_path(), error);
  if (error) throw CheckpointError("cannot create " + path.parent_path().string() + ": " + error.message() + ". Choose another output folder.");
  safetensors::write(path, header, views);
}

CheckpointInfo read_checkpoint_info(const fs::path& path) { return verified_info(safetensors::File::open(path), path); }

CheckpointInfo load_checkpoint(const fs::path& path, const NamedTensors& tensors, bool weights_only, bool average) {
  const auto file = safetensors::File::open(path);
  auto info = verified_info(file, path);
  const std::string prefix = average ? kAveragePrefix : "";
  if (average && std::none_of(file.tensors().begin(), file.tensors().end(), [](const auto& entry) { return entry.first.starts_with(kAveragePrefix); }))
    throw CheckpointError(path.string() + " holds no moving average of the weights (tensors ema.*): the run was trained without ema.decay. Use eval.weights=raw.");
  if (const auto lines = differences(file, tensors, weights_only, prefix); !lines.empty()) {
    std::string message = path.string() + " holds another model:";
    for (size_t i = 0; i < std::min<size_t>(lines.size(), 12); ++i) message += "\n  " + lines[i];
    if (lines.size() > 12) message += "\n  ... and " + std::to_string(lines.size() - 12) + " more";
    throw CheckpointError(message);
  }
  torch::NoGradGuard no_grad;
  for (const auto& [name, tensor] : tensors) {
    const auto data = file.data(prefix + name);
    const auto source = torch::from_blob(const_cast<std::byte*>(data.data()), tensor.sizes(), tensor.scalar_type());
    torch::Tensor target = tensor;
    target.copy_(source);
  }
  return info;
}

fs::path checkpoint_path(const fs::path& run, int64_t step) {
  char name[40];
  std::snprintf(name, sizeof name, "step-%08lld.safetensors", static_cast<long long>(step));
  return run / "checkpoints" / name;
}

fs::path best_checkpoint_path(const fs::path& run) { return run / "checkpoints" / "best.safetensors"; }

std::vector<fs::path> list_checkpoints(const fs::path& run) {
  std::vector<fs::path> paths;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(run / "checkpoints", error)) {
    const auto name = entry.path().filename().string();
    if (name.starts_with("step-") && name.ends_with(".safetensors")) paths.push_back(entry.path());
  }
  std::sort(paths.rbegin(), paths.rend());
  return paths;
}

std::optional<fs::path> newest_valid_checkpoint(const fs::path& run) {
  const auto paths = list_checkpoints(run);
  for (const auto& path : paths) {
    try {
      verify(safetensors::File::open(path), path);
      return path;
    } catch (const CheckpointError& error) {
      log_warning(error.what());
    }
  }
  if (paths.empty()) return std::nullopt;
  throw CheckpointError("none of the " + std::to_string(paths.size()) + " checkpoints in " + (run / "checkpoints").string() +
                        " is usable (see the warnings above). Restore one from a backup, or start anew with --force.");
}

void publish_best(const fs::path& run, const fs::path& path) {
  const auto best = best_checkpoint_path(run);
  auto temporary = best;
  temporary += ".tmp";
  std::error_code error;
  fs::remove(temporary, error);
  fs::create_hard_link(path, temporary, error);
  if (error) fs::copy_file(path, temporary, fs::copy_options::overwrite_existing, error);
  if (!error) fs::rename(temporary, best, error);
  if (error) throw CheckpointError("cannot write " + best.string() + ": " + error.message());
}

void prune_checkpoints(const fs::path& run, int64_t keep) {
  const auto paths = list_checkpoints(run);
  if (paths.size() <= static_cast<size_t>(keep)) return;
  try {
    verify(safetensors::File::open(paths.front()), paths.front());
  } catch (const CheckpointError& error) {
    log_warning(std::string(error.what()) + " Older checkpoints are kept.");
    return;
  }
  std::error_code ignored;
  for (size_t i = static_cast<size_t>(keep); i < paths.size(); ++i) fs::remove(paths[i], ignored);
}

}  // namespace liere
