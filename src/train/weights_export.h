// Our weights under timm's names (foreign_names.h), as a safetensors file that timm and what reads its checkpoints load.
#pragma once

#include <filesystem>
#include <string>

namespace liere {

struct WeightsExport {
  std::string checkpoint, call;      // call: the model in Python that the file belongs to
  int64_t tensors = 0;
  std::vector<std::string> remarks;  // what timm's model does not compute
};

/// Writes the weights of `checkpoint` (a run folder or a file; eval.weights=ema among `overrides` chooses the average) to `output`.
/// Throws CheckpointError, and ConfigError for a model that timm's VisionTransformer has no shape for (one or three spatial axes).
WeightsExport export_timm(const std::string& checkpoint, const std::vector<std::string>& overrides, const std::filesystem::path& output);
std::string describe_export(const WeightsExport& done, const std::filesystem::path& output);

}  // namespace liere
