#include "train/weights_import.h"

#include <xxhash.h>

#include <cmath>

#include "core/check.h"
#include "core/files.h"
#include "core/safetensors.h"
#include "models/position/absolute.h"
#include "train/run_folder.h"

namespace liere {
namespace {

namespace fs = std::filesystem;

std::string shape_text(const std::vector<int64_t>& shape) {
  std::string text = "[";
  for (size_t i = 0; i < shape.size(); ++i) text += (i ? ", " : "") + std::to_string(shape[i]);
  return text + "]";
}

/// The file's tensor as a float tensor of its own memory; undefined for types that weights do not have.
torch::Tensor read_tensor(const safetensors::File& file, const std::string& name) {
  const auto& info = file.info(name);
  torch::ScalarType dtype;
  switch (info.dtype) {
    case safetensors::Dtype::kF64: dtype = torch::kFloat64; break;
    case safetensors::Dtype::kF32: dtype = torch::kFloat32; break;
    case safetensors::Dtype::kBF16: dtype = torch::kBFloat16; break;
    case safetensors::Dtype::kF16: dtype = torch::kFloat16; break;
    default: return {};
  }
  return torch::from_blob(const_cast<std::byte*>(file.data(name).data()), info.shape, dtype).clone();
}

/// The grid that a table of `patches` rows belongs to: the file's configuration says; without one it is taken for a square.
std::vector<int64_t> table_grid(const safetensors::File& file, int64_t patches, size_t axes) {
  if (const auto config = file.metadata().find("config"); config != file.metadata().end()) {
    ExperimentConfig source;
    decode(parse_config(config->second, "configuration in the file"), source);
    std::vector<int64_t> grid;
    int64_t tokens = 1;
    for (size_t axis = 0; axis < source.model.patch.size(); ++axis) tokens *= grid.emplace_back(source.model.input_size[axis] / source.model.patch[axis]);
    if (tokens == patches && grid.size() == axes) return grid;
  }
  const auto side = static_cast<int64_t>(std::llround(std::pow(static_cast<double>(patches), 1.0 / static_cast<double>(axes))));
  int64_t tokens = 1;
  for (size_t axis = 0; axis < axes; ++axis) tokens *= side;
  return tokens == patches ? std::vector<int64_t>(axes, side) : std::vector<int64_t>{};
}

class Import {
 public:
  Import(VitImpl& model, const fs::path& path) : model_(model), file_(safetensors::File::open(path)) { result_.file = path.string(); }

  WeightsImport run() {
    const at::NoGradGuard no_grad;
    for (const auto& [name, weight] : model_.named_weights()) fill(name, weight);
    for (const auto& [name, info] : file_.tensors())
      if (!used_.contains(name) && !name.starts_with("optimizer.") && !name.starts_with("ema.")) result_.unused.push_back(name + ": not in the model");
    if (result_.loaded.empty() && result_.interpolated.empty())
      throw CheckpointError(result_.file + ": none of its " + std::to_string(file_.tensors().size()) +
                            " tensors has a name and shape of this model. Expected names as liere-train writes them (block.0.attention.qkv.weight, ...).");
    return result_;
  }

 private:
  void fill(const std::string& name, torch::Tensor weight) {
    if (!file_.contains(name)) {
      result_.fresh.push_back(name + ": not in the file");
      return;
    }
    used_.insert(name);
    const auto source = read_tensor(file_, name);
    if (!source.defined()) {
      result_.fresh.push_back(name + ": the file has it as " + std::string(safetensors::name_of(file_.info(name).dtype)) + ", which is no type of weights");
    } else if (source.sizes() == weight.sizes()) {
      weight.copy_(source);
      result_.loaded.push_back(name);
    } else if (name == "position_embedding" && interpolate(source, weight)) {
      result_.interpolated.push_back(name + ": " + shape_text(source.sizes().vec()) + " to " + shape_text(weight.sizes().vec()));
    } else {
      result_.fresh.push_back(name + ": the file has " + shape_text(source.sizes().vec()) + ", the model " + shape_text(weight.sizes().vec()));
    }
  }

  bool interpolate(const torch::Tensor& source, torch::Tensor& weight) {
    if (source.dim() != 2 || source.size(1) != weight.size(1)) return false;
    const auto now = model_.grid(model_.config().input_size).now;
    const auto trained = table_grid(file_, source.size(0) - 1, now.size());
    if (trained.empty()) return false;
    weight.copy_(interpolate_absolute_table(source.to(torch::kFloat32), TokenGrid{now, trained}));
    return true;
  }

  VitImpl& model_;
  safetensors::File file_;
  std::set<std::string> used_;
  WeightsImport result_;
};

}  // namespace

std::string checked_digest(const InitConfig& init) {
  const auto path = choose_checkpoint(*init.checkpoint).file;
  const auto bytes = read_file(path);
  char digest[17];
  std::snprintf(digest, sizeof digest, "%016llx", static_cast<unsigned long long>(XXH3_64bits(bytes.data(), bytes.size())));
  if (init.digest && *init.digest != digest)
    throw CheckpointError("init.digest is " + *init.digest + ", but the XXH3 of " + path.string() + " is " + digest + ": it is not the file that was meant. Leave init.digest out to take this one.");
  return digest;
}

WeightsImport import_weights(VitImpl& model, const std::string& checkpoint) { return Import(model, choose_checkpoint(checkpoint).file).run(); }

std::string describe_import(const WeightsImport& import) {
  std::string text = "weights from " + import.file + ": " + std::to_string(import.loaded.size()) + " tensors loaded, " + std::to_string(import.interpolated.size()) +
                     " interpolated, " + std::to_string(import.fresh.size()) + " start anew, " + std::to_string(import.unused.size()) + " of the file unused";
  const auto list = [&text](const char* heading, const std::vector<std::string>& lines) {
    for (const auto& line : lines) text += std::string("\n  ") + heading + line;
  };
  list("interpolated  ", import.interpolated);
  list("starts anew   ", import.fresh);
  list("unused        ", import.unused);
  return text;
}

}  // namespace liere
