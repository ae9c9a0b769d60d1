// What the YAML key `model.position` holds: a struct per encoding. No torch here: reports and documentation read it too.
//
// A struct has a `kind` (its name in YAML) and fields(). It may have label(), how tables call it (else its kind), and check(), which throws
// ConfigError for what involves more than one key.
#pragma once

#include <numbers>
#include <string>
#include <variant>

#include "core/fields.h"

namespace liere {

/// What an encoding's check() may look at.
struct HeadShape {
  int64_t dim;   // channels of a head: width / heads
  int64_t axes;  // of the input: 1, 2 or 3
};

/// Throws ConfigError unless the channels of a head can be paired.
void require_even(const char* kind, const HeadShape& head);

/// What the generators (liere) or frequencies (rope_mixed) are shared over.
enum class Share { kNone, kLayers, kHeads, kBoth };
template <>
struct EnumNames<Share> {
  static constexpr std::pair<Share, std::string_view> values[] = {
      {Share::kNone, "none"}, {Share::kLayers, "layers"}, {Share::kHeads, "heads"}, {Share::kBoth, "both"}};
};

/// How token i of m along an axis, m0 at training, gets its position.
enum class PositionRule { kSequential, kFixed, kIndex, kPhysical };
template <>
struct EnumNames<PositionRule> {
  static constexpr std::pair<PositionRule, std::string_view> values[] = {
      {PositionRule::kSequential, "sequential"}, {PositionRule::kFixed, "fixed"}, {PositionRule::kIndex, "index"}, {PositionRule::kPhysical, "physical"}};
};

struct NoPositionConfig {
  static constexpr auto kind = "none";
};
struct AbsoluteConfig {
  static constexpr auto kind = "absolute";
};
struct RopeConfig {
  static constexpr auto kind = "rope";
  bool absolute = false;
  double base = 10000;
  std::string label() const { return "RoPE"; }
  void check(const HeadShape& head) const { require_even(kind, head); }
};
struct VisionLlamaConfig {
  static constexpr auto kind = "visionllama";
  bool absolute = false;
  PositionRule positions = PositionRule::kSequential;
  std::string label() const { return "VisionLLaMA"; }
  void check(const HeadShape& head) const;
};
struct RopeMixedConfig {
  static constexpr auto kind = "rope_mixed";
  Share share = Share::kNone;
  double init_scale = 2 * std::numbers::pi;
  bool absolute = false;
  PositionRule positions = PositionRule::kSequential;
  std::string label() const { return "RoPE-Mixed"; }
  void check(const HeadShape& head) const { require_even(kind, head); }
};
struct LiereConfig {
  static constexpr auto kind = "liere";
  int64_t block_size = 64;
  Share share = Share::kNone;
  double init_scale = 2 * std::numbers::pi;
  bool absolute = false;
  PositionRule positions = PositionRule::kSequential;
  std::string label() const { return "LieRE_" + std::to_string(block_size); }
  void check(const HeadShape& head) const;
};
using PositionConfig = std::variant<LiereConfig, RopeMixedConfig, VisionLlamaConfig, RopeConfig, AbsoluteConfig, NoPositionConfig>;

/// "LieRE_8", "RoPE-Mixed", "absolute", ...: how tables call the encoding.
std::string encoding_label(const PositionConfig& position);
/// Throws ConfigError where the encoding cannot be used with heads of this shape.
void check_position(const PositionConfig& position, const HeadShape& head);

namespace position_field {
constexpr auto kShare = "share the learned parameters over nothing, layers, heads or both";
constexpr auto kInitScale = "learned parameters start in U[0, init_scale)";
constexpr auto kAbsolute = "add a learned absolute table to the tokens as well";
constexpr auto kPositions =
    "token positions: sequential (0..1 at the training size, growing with the picture), fixed (always 0..1), index (0, 1, 2, ... per axis), physical (centres of the tokens in model.field_of_view, in units of model.reference_extent)";
}  // namespace position_field

template <class V>
void fields(V&, NoPositionConfig&) {}
template <class V>
void fields(V&, AbsoluteConfig&) {}
template <class V>
void fields(V& v, RopeConfig& c) {
  v("absolute", c.absolute, position_field::kAbsolute);
  v("base", c.base, "frequencies are base^(-2i/d) over the raster index", positive());
}
template <class V>
void fields(V& v, VisionLlamaConfig& c) {
  v("absolute", c.absolute, position_field::kAbsolute);
  v("positions", c.positions, position_field::kPositions);
}
template <class V>
void fields(V& v, RopeMixedConfig& c) {
  v("share", c.share, position_field::kShare);
  v("init_scale", c.init_scale, position_field::kInitScale, positive());
  v("absolute", c.absolute, position_field::kAbsolute);
  v("positions", c.positions, position_field::kPositions);
}
template <class V>
void fields(V& v, LiereConfig& c) {
  v("block_size", c.block_size, "side b of each rotation block; divides the head dimension", at_least(1));
  v("share", c.share, position_field::kShare);
  v("init_scale", c.init_scale, position_field::kInitScale, positive());
  v("absolute", c.absolute, position_field::kAbsolute);
  v("positions", c.positions, position_field::kPositions);
}

}  // namespace liere
