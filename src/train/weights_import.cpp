#include "train/weights_import.h"

#include <xxhash.h>

#include <cmath>

#include "core/check.h"
#include "core/files.h"
#include "core/safetensors.h"
#include "models/position/absolute.h"
#include "train/foreign_names.h"
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

/// Another program's tensor in our shape; as it is where it has none of the form's.
torch::Tensor converted(const torch::Tensor& source, WeightForm form, const torch::Tensor& weight) {
  if (!source.defined()) return source;
  const int64_t axes = source.dim();
  switch (form) {
    case WeightForm::kSame: return source;
    case WeightForm::kPatches: {
      if (axes < 3) return source;
      std::vector<int64_t> channels_last = {0};
      for (int64_t axis = 2; axis < axes; ++axis) channels_last.push_back(axis);
      channels_last.push_back(1);
      return source.permute(channels_last).reshape({source.size(0), -1});
    }
    case WeightForm::kToken: return source.numel() == weight.numel() ? source.reshape(weight.sizes()) : source;
    case WeightForm::kTable: {
      if (axes != 3 || source.size(0) != 1) return source;
      const auto is_square = [](int64_t rows) { return std::llround(std::sqrt(double(rows))) * std::llround(std::sqrt(double(rows))) == rows; };
      const auto table = source.squeeze(0);
      const bool has_class_row = table.size(0) == weight.size(0) || is_square(table.size(0) - 1) || !is_square(table.size(0));
      return has_class_row ? table : at::cat({at::zeros({1, table.size(1)}, table.options()), table});
    }
    case WeightForm::kGenerators: {
      if (axes != 5 || weight.dim() != 5 || source.size(3) != source.size(4) || source.size(2) != weight.size(2) * weight.size(3)) return source;
      // The release computes with layer 0's in all layers: a model that shares over layers takes these.
      const auto layers = weight.size(1) == 1 ? source.narrow(1, 0, 1) : source;
      const auto above = at::triu_indices(source.size(3), source.size(4), 1);
      return layers.index({torch::indexing::Ellipsis, above[0], above[1]}).reshape({source.size(0), layers.size(1), weight.size(2), weight.size(3), -1});
    }
  }
  return source;
}

class Import {
 public:
  Import(VitImpl& model, const fs::path& path) : model_(model), file_(safetensors::File::open(path)), foreign_(ForeignNames::of(file_)) {
    result_.file = path.string();
    if (foreign_) result_.program = foreign_->program();
  }

  WeightsImport run() {
    const at::NoGradGuard no_grad;
    for (const auto& [name, weight] : model_.named_weights()) fill(name, weight);
    for (const auto& [name, info] : file_.tensors())
      if (!used_.contains(name) && !name.starts_with("optimizer.") && !name.starts_with("ema.")) result_.unused.push_back(name + ": not in the model");
    if (result_.loaded.empty() && result_.interpolated.empty())
      throw CheckpointError(result_.file + ": none of its " + std::to_string(file_.tensors().size()) +
                            " tensors has a name and shape of this model. Expected names as liere-train writes them (block.0.attention.qkv.weight, ...), timm's "
                            "(blocks.0.attn.qkv.weight, ...) or those of the LieRE release (transformer.layers.0.0.fn.to_qkv.weight, ...).");
    if (foreign_) check_foreign();
    return result_;
  }

 private:
  /// What the file calls `name`.
  ForeignName source_name(const std::string& name) const {
    if (!foreign_) return {name, WeightForm::kSame};
    return foreign_->find(name).value_or(ForeignName{"", WeightForm::kSame});
  }

  void fill(const std::string& name, torch::Tensor weight) {
    const auto [source_name, form] = this->source_name(name);
    if (source_name.empty() || !file_.contains(source_name)) {
      result_.fresh.push_back(name + ": not in the file");
      return;
    }
    used_.insert(source_name);
    const auto source = converted(read_tensor(file_, source_name), form, weight);
    if (!source.defined()) {
      result_.fresh.push_back(name + ": the file has it as " + std::string(safetensors::name_of(file_.info(source_name).dtype)) + ", which is no type of weights");
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

  bool is_unused(std::string_view ending) const {
    return std::any_of(result_.unused.begin(), result_.unused.end(), [&](const std::string& line) { return line.find(std::string(ending) + ": ") != std::string::npos; });
  }

  /// Another program's model must be the one that was built here: its blocks have to fit, and what makes another function of them is said.
  void check_foreign() {
    const auto blocks = std::count_if(result_.loaded.begin(), result_.loaded.end(), [](const std::string& name) { return name.ends_with("attention.qkv.weight"); });
    if (blocks == 0) throw CheckpointError(result_.file + ", with the names of " + result_.program + ", has no transformer block of this model's shape:\n" + describe_import(result_));
    const auto& config = model_.config();
    auto& remarks = result_.remarks;
    if (is_unused("attn.qkv.bias")) remarks.push_back("the file's queries, keys and values have biases: set model.qkv_bias=true");
    if (is_unused(".gamma")) remarks.push_back("the file has a LayerScale: set model.layer_scale=1e-5 (any value: the file's replaces it)");
    if (is_unused("pos_embed") || (is_unused("pos_embedding") && !is_zero_table())) remarks.push_back("the file was trained with a table of positions: model.position.kind=absolute uses it");
    if (is_unused("blocks." + std::to_string(*config.depth) + ".norm1.weight") || is_unused("layers." + std::to_string(*config.depth) + ".0.norm.weight"))
      remarks.push_back("the file has more blocks than model.depth=" + std::to_string(*config.depth));
    if (result_.program == "timm" && config.norm_eps != 1e-6) remarks.push_back("timm's layer norms have eps 1e-6: set model.norm_eps=1e-6");
    for (const auto& [name, weight] : model_.named_weights())
      if (name == "generators" && weight.size(1) > 1 && result_.program != "timm")
        remarks.push_back("the release computed with layer 0's rotations in all layers: model.position.share=layers does the same");
    if (is_unused("fc_norm.weight")) remarks.push_back("the file's model averages its patches (fc_norm), which model.pool does not compute as timm does");
  }

  /// The release keeps a table of zeros beside rotations.
  bool is_zero_table() const {
    for (const auto& [name, info] : file_.tensors())
      if (name.ends_with("pos_embedding")) {
        const auto table = read_tensor(file_, name);
        return table.defined() && !table.any().item<bool>();
      }
    return false;
  }

  VitImpl& model_;
  safetensors::File file_;
  std::optional<ForeignNames> foreign_;
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
  std::string text = "weights from " + import.file + (import.program.empty() ? "" : ", in the names of " + import.program) + ": " + std::to_string(import.loaded.size()) + " tensors loaded, " + std::to_string(import.interpolated.size()) +
                     " interpolated, " + std::to_string(import.fresh.size()) + " start anew, " + std::to_string(import.unused.size()) + " of the file unused";
  const auto list = [&text](const char* heading, const std::vector<std::string>& lines) {
    for (const auto& line : lines) text += std::string("\n  ") + heading + line;
  };
  list("interpolated  ", import.interpolated);
  list("starts anew   ", import.fresh);
  list("unused        ", import.unused);
  list("note: ", import.remarks);
  return text;
}

}  // namespace liere
