#include "train/checkpoint.h"

#include <algorithm>
#include <map>

#include "core/check.h"
#include "core/config.h"

namespace liere {
namespace {

namespace fs = std::filesystem;
const std::string kAveragePrefix = "ema.";

std::string shape_text(const std::vector<int64_t>& shape) {
  std::string text = "[";
  for (size_t i = 0; i < shape.size(); ++i) text += (i ? ", " : "") + std::to_string(shape[i]);
  return text + "]";
}

/// One line per tensor that is missing, superfluous, or of another shape or type.
/// A tensor NAME stands in the file as prefix + NAME.
std::vector<std::string> differences(const safetensors::File& file, const NamedTensors& tensors, CheckpointPart part, const std::string& prefix) {
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
    else if (found.dtype != checkpoint_dtype(tensor)) lines.push_back(name + ": the file has " + std::string(safetensors::name_of(found.dtype)) + ", the model " + std::string(safetensors::name_of(checkpoint_dtype(tensor))));
  }
  const auto passed_over = [&](const std::string& name) {
    if (!prefix.empty()) return !name.starts_with(prefix);
    return part != CheckpointPart::kEverything && (name.starts_with("optimizer.") || name.starts_with(kAveragePrefix));
  };
  for (const auto& [name, tensor] : file.tensors())
    if (!wanted.count(name) && !passed_over(name)) lines.push_back(name + ": not in the model");
  return lines;
}

void refuse(const fs::path& path, const std::vector<std::string>& lines, bool weights_only) {
  constexpr size_t kLongest = 24;
  std::string message = path.string() + " holds another " + (weights_only ? "model:" : "run's state:");
  for (size_t i = 0; i < std::min(lines.size(), kLongest); ++i) message += "\n  " + lines[i];
  if (lines.size() > kLongest) message += "\n  ... and " + std::to_string(lines.size() - kLongest) + " more";
  if (!weights_only) message += "\nA run goes on with its own configuration only. To begin another one with these weights, set init.checkpoint=" + path.string() + " and another output=FOLDER.";
  throw CheckpointError(message);
}

}  // namespace

safetensors::Dtype checkpoint_dtype(const torch::Tensor& tensor) {
  switch (tensor.scalar_type()) {
    case torch::kFloat64: return safetensors::Dtype::kF64;
    case torch::kFloat32: return safetensors::Dtype::kF32;
    case torch::kBFloat16: return safetensors::Dtype::kBF16;
    case torch::kInt64: return safetensors::Dtype::kI64;
    default: throw CheckpointError(std::string("a checkpoint holds float64, float32, bfloat16 and int64 tensors, found ") + toString(tensor.scalar_type()));
  }
}

safetensors::TensorView tensor_view(const std::string& name, const torch::Tensor& tensor) {
  return {name, checkpoint_dtype(tensor), tensor.sizes().vec(), {static_cast<const std::byte*>(tensor.const_data_ptr()), static_cast<size_t>(tensor.nbytes())}};
}

void save_checkpoint(const fs::path& path, const NamedTensors& tensors, const CheckpointInfo& info) {
  torch::NoGradGuard no_grad;
  std::vector<torch::Tensor> on_cpu;
  std::vector<safetensors::TensorView> views;
  for (const auto& [name, tensor] : tensors) {
    on_cpu.push_back(tensor.detach().to(torch::kCPU).contiguous());
    views.push_back(tensor_view(name, on_cpu.back()));
  }
  write_checkpoint(path, views, info);
}

CheckpointInfo load_checkpoint(const fs::path& path, const NamedTensors& tensors, CheckpointPart part, const std::vector<std::string>& identity) {
  const auto file = safetensors::File::open(path);
  auto info = verified_info(file, path);
  const std::string prefix = part == CheckpointPart::kAverage ? kAveragePrefix : "";
  if (part == CheckpointPart::kAverage && std::none_of(file.tensors().begin(), file.tensors().end(), [](const auto& entry) { return entry.first.starts_with(kAveragePrefix); }))
    throw CheckpointError(path.string() + " holds no moving average of the weights (tensors ema.*): the run was trained without ema.decay. Use eval.weights=raw.");
  auto lines = identity.empty() ? std::vector<std::string>{} : compare_identity(identity, info.identity_lines);
  const auto of_tensors = differences(file, tensors, part, prefix);
  lines.insert(lines.end(), of_tensors.begin(), of_tensors.end());
  if (!lines.empty()) refuse(path, lines, part != CheckpointPart::kEverything);
  torch::NoGradGuard no_grad;
  for (const auto& [name, tensor] : tensors) {
    const auto data = file.data(prefix + name);
    const auto source = torch::from_blob(const_cast<std::byte*>(data.data()), tensor.sizes(), tensor.scalar_type());
    torch::Tensor target = tensor;
    target.copy_(source);
  }
  return info;
}

}  // namespace liere
