#include "models/vit.h"

#include <algorithm>

#include "core/check.h"
#include "models/block.h"
#include "models/initialize.h"
#include "models/layers.h"
#include "models/patch_embed.h"
#include "models/recompute.h"

namespace liere {
namespace {

int64_t product(const std::vector<int64_t>& values) {
  int64_t result = 1;
  for (const int64_t value : values) result *= value;
  return result;
}

std::string text(const std::vector<int64_t>& values) {
  std::string joined;
  for (const int64_t value : values) joined += (joined.empty() ? "" : "x") + std::to_string(value);
  return joined;
}

constexpr std::string_view kPositionPrefix = "position.";  // the encoding's parameters carry no prefix in checkpoints

}  // namespace

VitImpl::VitImpl(const VitConfig& config, int64_t classes, torch::Device device, const EncodingFactory& encoding) : config_(config), classes_(classes) {
  if (!config.width || !config.depth || !config.heads || !config.mlp)
    throw ConfigError("A model was built from a configuration whose sizes are open; call resolve() first.");
  if (classes < 1) throw ConfigError("A model needs at least one class; found " + std::to_string(classes) + ".");
  const int64_t width = *config.width;
  patch_embed_ = register_module("patch_embed", Linear(config.channels * product(config.patch), width, /*with_bias=*/true, device));
  cls_token_W_ = register_parameter("cls_token", at::empty({width}, at::dtype(at::kFloat).device(device)));
  const BackboneShape shape{*config.depth, *config.heads, config.head_dim(), width, grid(config.input_size).now, device};
  position_ = register_module("position", encoding ? encoding(shape) : make_position_encoding(config.position, shape));
  blocks_ = register_module("block", torch::nn::ModuleList());
  for (int64_t layer = 0; layer < *config.depth; ++layer) blocks_->push_back(Block(config, layer, device));
  head_norm_ = register_module("head_norm", LayerNorm(width, config.norm_eps, device));
  head_ = register_module("head", Linear(width, classes, /*with_bias=*/true, device));
}

void VitImpl::initialize(uint64_t seed) {
  for (const auto& item : named_modules("", /*include_self=*/false)) {
    if (auto* linear = item.value()->as<LinearImpl>()) linear->initialize(seed, item.key());
    if (auto* norm = item.value()->as<LayerNormImpl>()) norm->initialize();
    if (auto* block = item.value()->as<BlockImpl>()) block->initialize();
  }
  initialize_normal(cls_token_W_, seed, "cls_token");
  position_->initialize(seed);
}

void VitImpl::set_fused(bool fused) {
  for (const auto& module : *blocks_) std::dynamic_pointer_cast<BlockImpl>(module)->set_fused(fused);
}

TokenGrid VitImpl::grid(const std::vector<int64_t>& input_size) const {
  if (input_size.size() != config_.patch.size())
    throw ConfigError("The model takes inputs of " + std::to_string(config_.patch.size()) + " spatial axes; found " + text(input_size) + ".");
  TokenGrid grid;
  for (size_t axis = 0; axis < input_size.size(); ++axis) {
    const int64_t patch = config_.patch[axis];
    if (input_size[axis] < patch || input_size[axis] % patch != 0)
      throw ConfigError("Patches of " + text(config_.patch) + " do not divide an input of " + text(input_size) +
                        "; choose a size that is a multiple of the patch.");
    grid.now.push_back(input_size[axis] / patch);
    grid.trained.push_back(config_.input_size[axis] / patch);
    if (!config_.field_of_view.empty())
      grid.extent.push_back(config_.field_of_view[axis] / config_.reference_extent.value_or(*std::max_element(config_.field_of_view.begin(), config_.field_of_view.end())));
  }
  return grid;
}

torch::Tensor VitImpl::forward(const torch::Tensor& input, const Rotations& rotations, const ForwardOptions& options) {
  const TokenGrid now = grid(input.sizes().slice(2).vec());
  auto x_BTW = patch_embed_->forward(patchify(input.to(cls_token_W_.scalar_type()), config_.patch));
  if (options.permutation_BN.defined()) x_BTW = x_BTW.gather(1, options.permutation_BN.to(x_BTW.device()).unsqueeze(2).expand(x_BTW.sizes()));
  x_BTW = at::cat({cls_token_W_.expand({input.size(0), 1, -1}), x_BTW}, 1);
  x_BTW = drop(position_->embed(x_BTW, now), config_.dropout, options, 0, DropoutSite::kEmbedding);
  const bool recompute = options.recompute && !options.cls_states && !options.cls_attention;  // watching would see every block twice
  for (const auto& module : *blocks_) {
    const auto block = std::dynamic_pointer_cast<BlockImpl>(module);
    x_BTW = recompute ? recompute_in_backward([=](const torch::Tensor& x) { return block->forward(x, rotations, options); }, x_BTW)
                      : block->forward(x_BTW, rotations, options);
    if (options.cls_states) options.cls_states->push_back(x_BTW.select(1, 0));
  }
  const auto pooled_BW = config_.pool == Pool::kMean ? x_BTW.mean(1) : x_BTW.select(1, 0);
  return head_->forward(head_norm_->forward(pooled_BW));
}

std::vector<std::pair<std::string, torch::Tensor>> VitImpl::named_weights() const {
  std::vector<std::pair<std::string, torch::Tensor>> weights;
  for (const auto& item : named_parameters())
    weights.emplace_back(item.key().starts_with(kPositionPrefix) ? item.key().substr(kPositionPrefix.size()) : item.key(), item.value());
  return weights;
}

int64_t VitImpl::parameter_count() const {
  int64_t count = 0;
  for (const auto& [name, tensor] : named_weights()) count += tensor.numel();
  return count;
}

double VitImpl::flops_per_sample(const TokenGrid& grid) const {
  const double width = *config_.width, depth = *config_.depth, mlp = *config_.mlp, patches = grid.tokens(), tokens = patches + 1;
  const double linears = tokens * (4 * width * width + 2 * width * mlp), scores_and_values = 2 * tokens * tokens * width,
               norms = 2 * 5 * tokens * width;
  const double rotation = 2 * tokens * width * static_cast<double>(position_->learned_block());
  const double embedding = patches * config_.channels * product(config_.patch) * width, head = width * classes_ + 5 * width;
  return embedding + depth * (linears + scores_and_values + norms + rotation) + head;
}

}  // namespace liere
