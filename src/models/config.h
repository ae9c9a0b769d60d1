// Configuration of the model: what the YAML key `model` holds. No torch here: reports and documentation read it too.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/fields.h"
#include "models/position_config.h"

namespace liere {

enum class Preset { kTiny, kBase, kLarge, kHuge, kCustom };
template <>
struct EnumNames<Preset> {
  static constexpr std::pair<Preset, std::string_view> values[] = {
      {Preset::kTiny, "tiny"}, {Preset::kBase, "base"}, {Preset::kLarge, "large"}, {Preset::kHuge, "huge"}, {Preset::kCustom, "custom"}};
};
enum class Pool { kCls, kMean };
template <>
struct EnumNames<Pool> {
  static constexpr std::pair<Pool, std::string_view> values[] = {{Pool::kCls, "cls"}, {Pool::kMean, "mean"}};
};

/// The vision transformer of the paper's section 2 (paper.md): pre-norm, exact GELU, CLS token, linear head.
struct VitConfig {
  Preset preset = Preset::kBase;
  std::vector<int64_t> input_size = {32, 32};  // one to three axes: [L], [rows, columns] or [frames, rows, columns]
  std::vector<int64_t> patch = {4, 4};
  int64_t channels = 3;
  std::optional<int64_t> width, depth, heads, mlp;  // from the preset when absent; resolve() fills them
  double dropout = 0.1;
  Pool pool = Pool::kCls;
  std::vector<double> field_of_view;
  std::optional<double> reference_extent;
  double norm_eps = 1e-5;
  bool qkv_bias = false;
  std::optional<double> layer_scale;
  double drop_path = 0;
  PositionConfig position = LiereConfig{};

  /// Fills width, depth, heads and mlp from the preset and checks everything that involves more than one key
  /// (a preset with another width, heads that do not divide the width, a block size that does not divide the head dimension, patches that do not
  /// divide the input). Throws ConfigError.
  void resolve();
  int64_t head_dim() const { return *width / *heads; }
  int64_t axes() const { return static_cast<int64_t>(input_size.size()); }
};
template <class V>
void fields(V& v, VitConfig& c) {
  v("preset", c.preset, "width, depth, heads and MLP of ViT-tiny, base, large or huge, or custom");
  v("input_size", c.input_size, "training size per axis: [length], [rows, columns] or [frames, rows, columns]", at_least(1));
  v("patch", c.patch, "patch size per axis", at_least(1));
  v("channels", c.channels, "input channels", between(1, 64));
  v("field_of_view", c.field_of_view, "of positions: physical: what an input shows along each axis in millimetres, such as [160, 220, 220] (the same for all samples; default: not known)", positive());
  v("reference_extent", c.reference_extent, "of positions: physical: the millimetres that are 1 (default: the largest of field_of_view)", positive());
  v("width", c.width, "token width (preset custom only)", at_least(1));
  v("depth", c.depth, "transformer blocks (preset custom only)", at_least(1));
  v("heads", c.heads, "attention heads (preset custom only)", at_least(1));
  v("mlp", c.mlp, "hidden width of the MLP (preset custom only)", at_least(1));
  v("dropout", c.dropout, "probability on the embeddings, after the attention's output projection and twice in the MLP", from_until(0, 1));
  v("pool", c.pool, "what the head reads: the CLS token, or the mean over all tokens");
  v("norm_eps", c.norm_eps, "epsilon of LayerNorm", positive());
  v("qkv_bias", c.qkv_bias, "bias in the query-key-value projection");
  v("layer_scale", c.layer_scale, "learned factor per channel on each residual branch, starting at this value (default: none)", positive());
  v("drop_path", c.drop_path, "stochastic depth: probability that a sample leaves out a residual branch, rising linearly from 0 at the first block to this at the last", from_until(0, 1));
  v("position", c.position, "position encoding");
}

}  // namespace liere
