#include "train/foreign_names.h"

#include <cctype>

namespace liere {
namespace {

/// The number that stands for "{}" where `name` has the form of `pattern`; "" without one; nullopt where it has not.
std::optional<std::string> match(std::string_view pattern, std::string_view name) {
  const size_t hole = pattern.find("{}");
  if (hole == std::string_view::npos) return pattern == name ? std::optional<std::string>("") : std::nullopt;
  const auto before = pattern.substr(0, hole), after = pattern.substr(hole + 2);
  if (name.size() <= before.size() + after.size() || !name.starts_with(before) || !name.ends_with(after)) return std::nullopt;
  const auto number = name.substr(before.size(), name.size() - before.size() - after.size());
  for (const char c : number)
    if (!std::isdigit(static_cast<unsigned char>(c))) return std::nullopt;
  return std::string(number);
}

std::string filled(std::string_view pattern, const std::string& number) {
  const size_t hole = pattern.find("{}");
  if (hole == std::string_view::npos) return std::string(pattern);
  return std::string(pattern.substr(0, hole)) + number + std::string(pattern.substr(hole + 2));
}

/// `rules` with each pair "X.weight" for weight and bias.
void add_linear(std::vector<NameRule>& rules, std::string_view ours_weight, std::string_view theirs_weight, std::string_view ours_bias, std::string_view theirs_bias) {
  rules.push_back({ours_weight, theirs_weight});
  rules.push_back({ours_bias, theirs_bias});
}

ForeignProgram timm() {
  ForeignProgram program{"timm", "patch_embed.proj.weight", {}};
  auto& rules = program.rules;
  rules.push_back({"patch_embed.weight", "patch_embed.proj.weight", WeightForm::kPatches});
  rules.push_back({"patch_embed.bias", "patch_embed.proj.bias"});
  rules.push_back({"cls_token", "cls_token", WeightForm::kToken});
  rules.push_back({"position_embedding", "pos_embed", WeightForm::kTable});
  add_linear(rules, "block.{}.norm1.weight", "blocks.{}.norm1.weight", "block.{}.norm1.bias", "blocks.{}.norm1.bias");
  add_linear(rules, "block.{}.attention.qkv.weight", "blocks.{}.attn.qkv.weight", "block.{}.attention.qkv.bias", "blocks.{}.attn.qkv.bias");
  add_linear(rules, "block.{}.attention.out.weight", "blocks.{}.attn.proj.weight", "block.{}.attention.out.bias", "blocks.{}.attn.proj.bias");
  rules.push_back({"block.{}.layer_scale1", "blocks.{}.ls1.gamma"});
  add_linear(rules, "block.{}.norm2.weight", "blocks.{}.norm2.weight", "block.{}.norm2.bias", "blocks.{}.norm2.bias");
  add_linear(rules, "block.{}.mlp.fc1.weight", "blocks.{}.mlp.fc1.weight", "block.{}.mlp.fc1.bias", "blocks.{}.mlp.fc1.bias");
  add_linear(rules, "block.{}.mlp.fc2.weight", "blocks.{}.mlp.fc2.weight", "block.{}.mlp.fc2.bias", "blocks.{}.mlp.fc2.bias");
  rules.push_back({"block.{}.layer_scale2", "blocks.{}.ls2.gamma"});
  add_linear(rules, "head_norm.weight", "norm.weight", "head_norm.bias", "norm.bias");
  add_linear(rules, "head.weight", "head.weight", "head.bias", "head.bias");
  return program;
}

ForeignProgram release() {
  ForeignProgram program{"the LieRE release", "to_patch_embedding.1.weight", {}};
  auto& rules = program.rules;
  add_linear(rules, "patch_embed.weight", "to_patch_embedding.1.weight", "patch_embed.bias", "to_patch_embedding.1.bias");
  rules.push_back({"cls_token", "cls_token", WeightForm::kToken});
  rules.push_back({"position_embedding", "pos_embedding", WeightForm::kTable});
  add_linear(rules, "block.{}.norm1.weight", "transformer.layers.{}.0.norm.weight", "block.{}.norm1.bias", "transformer.layers.{}.0.norm.bias");
  rules.push_back({"block.{}.attention.qkv.weight", "transformer.layers.{}.0.fn.to_qkv.weight"});
  add_linear(rules, "block.{}.attention.out.weight", "transformer.layers.{}.0.fn.to_out.0.weight", "block.{}.attention.out.bias", "transformer.layers.{}.0.fn.to_out.0.bias");
  add_linear(rules, "block.{}.norm2.weight", "transformer.layers.{}.1.norm.weight", "block.{}.norm2.bias", "transformer.layers.{}.1.norm.bias");
  add_linear(rules, "block.{}.mlp.fc1.weight", "transformer.layers.{}.1.fn.net.0.weight", "block.{}.mlp.fc1.bias", "transformer.layers.{}.1.fn.net.0.bias");
  add_linear(rules, "block.{}.mlp.fc2.weight", "transformer.layers.{}.1.fn.net.3.weight", "block.{}.mlp.fc2.bias", "transformer.layers.{}.1.fn.net.3.bias");
  add_linear(rules, "head_norm.weight", "mlp_head.0.weight", "head_norm.bias", "mlp_head.0.bias");
  add_linear(rules, "head.weight", "mlp_head.1.weight", "head.bias", "mlp_head.1.bias");
  rules.push_back({"generators", "position_encoder.generator_raw_params", WeightForm::kGenerators});
  return program;
}

}  // namespace

const std::vector<ForeignProgram>& foreign_programs() {
  static const std::vector<ForeignProgram> programs = {timm(), release()};
  return programs;
}

const ForeignProgram& timm_program() { return foreign_programs().front(); }

std::optional<ForeignNames> ForeignNames::of(const safetensors::File& file) {
  for (const auto& program : foreign_programs())
    for (const auto& [name, info] : file.tensors()) {
      if (!name.ends_with(program.marker)) continue;
      const auto prefix = name.substr(0, name.size() - program.marker.size());
      if (prefix.empty() || prefix.ends_with('.')) return ForeignNames(program, prefix);
    }
  return std::nullopt;
}

std::optional<ForeignName> ForeignNames::find(std::string_view ours) const {
  for (const auto& rule : program_->rules)
    if (const auto number = match(rule.ours, ours)) return ForeignName{prefix_ + filled(rule.theirs, *number), rule.form};
  return std::nullopt;
}

}  // namespace liere
