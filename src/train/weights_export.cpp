#include "train/weights_export.h"

#include <sstream>

#include "core/check.h"
#include "core/safetensors.h"
#include "train/eval/trained_model.h"
#include "train/foreign_names.h"

namespace liere {
namespace {

/// Ours in the program's shape: the inverse of what the import does.
torch::Tensor in_form(const torch::Tensor& weight, WeightForm form, const VitConfig& config) {
  switch (form) {
    case WeightForm::kPatches: return weight.reshape({weight.size(0), config.patch[0], config.patch[1], config.channels}).permute({0, 3, 1, 2}).contiguous();
    case WeightForm::kToken: return weight.reshape({1, 1, -1});
    case WeightForm::kTable: return weight.unsqueeze(0);
    default: return weight;
  }
}

std::string text(const std::vector<int64_t>& values) {
  std::string joined;
  for (const auto value : values) joined += (joined.empty() ? "" : ", ") + std::to_string(value);
  return "(" + joined + ")";
}

/// timm's constructor with the arguments of this model.
std::string call_of(const VitConfig& config, size_t classes, int64_t width) {
  std::ostringstream call;
  call << "timm.models.vision_transformer.VisionTransformer(img_size=" << text(config.input_size) << ", patch_size=" << text(config.patch) << ", in_chans=" << config.channels
       << ", num_classes=" << classes << ", embed_dim=" << width << ", depth=" << *config.depth << ", num_heads=" << *config.heads << ", mlp_ratio=" << static_cast<double>(*config.mlp) / static_cast<double>(width)
       << ", qkv_bias=" << (config.qkv_bias ? "True" : "False") << ", init_values=" << (config.layer_scale ? "1.0" : "None")
       << ", norm_layer=functools.partial(torch.nn.LayerNorm, eps=" << config.norm_eps << "))";
  return call.str();
}

}  // namespace

WeightsExport export_timm(const std::string& checkpoint, const std::vector<std::string>& overrides, const std::filesystem::path& output) {
  auto given = overrides;
  given.push_back("device=cpu");
  const auto trained = load_trained(checkpoint, given);
  const auto& config = trained.config.model;
  if (config.patch.size() != 2)
    throw ConfigError(checkpoint + ": timm's VisionTransformer is for pictures; this model has " + std::to_string(config.patch.size()) + " spatial axes. Its checkpoint is a safetensors file that other programs read as it is.");
  const ForeignNames names(timm_program(), "");
  WeightsExport done{trained.checkpoint.file.string(), call_of(config, trained.info.class_names.size(), *config.width), 0, {}};

  std::vector<std::pair<std::string, torch::Tensor>> tensors;
  bool has_table = false;
  const at::NoGradGuard no_grad;
  for (const auto& [name, weight] : trained.model->named_weights()) {
    const auto theirs = names.find(name);
    has_table = has_table || name == "position_embedding";
    if (!theirs) done.remarks.push_back(name + " keeps its name: timm has no such encoding, its model does not rotate queries and keys; load with strict=False");
    tensors.emplace_back(theirs ? theirs->name : name, (theirs ? in_form(weight, theirs->form, config) : weight).to(torch::kFloat32).contiguous());
  }
  if (!has_table) {
    const auto rows = trained.model->grid(config.input_size).tokens() + 1;
    tensors.emplace_back("pos_embed", torch::zeros({1, rows, *config.width}));
    done.remarks.push_back("pos_embed is zero: the model has no table of positions");
  }
  const auto kind = encoding_label(config.position);
  if (kind != "absolute" && kind != "none" && done.remarks.size() < 2) done.remarks.push_back("timm's model does not rotate queries and keys as " + kind + " does: its logits differ");
  if (config.pool == Pool::kMean) done.remarks.push_back("this model averages all tokens, which timm's class token pooling does not");

  std::vector<safetensors::TensorView> views;
  for (const auto& [name, tensor] : tensors)
    views.push_back({name, safetensors::Dtype::kF32, tensor.sizes().vec(), std::as_bytes(std::span(tensor.data_ptr<float>(), static_cast<size_t>(tensor.numel())))});
  done.tensors = static_cast<int64_t>(views.size());
  safetensors::write(output, views, {{"format", "pt"}, {"model", done.call}});
  return done;
}

std::string describe_export(const WeightsExport& done, const std::filesystem::path& output) {
  std::string text = output.string() + ": " + std::to_string(done.tensors) + " tensors of " + done.checkpoint + " in timm's names, for\n  " + done.call + "\n";
  for (const auto& remark : done.remarks) text += "note: " + remark + "\n";
  return text;
}

}  // namespace liere
