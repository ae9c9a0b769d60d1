#include "models/position_config.h"

#include "core/check.h"

namespace liere {
namespace {

std::string text(int64_t value) { return std::to_string(value); }

}  // namespace

void require_even(const char* kind, const HeadShape& head) {
  if (head.dim % 2 != 0)
    throw ConfigError("model.position.kind: " + std::string(kind) + " turns pairs of channels, but the head dimension (width / heads) is " + text(head.dim) +
                      "; make it even.");
}

void VisionLlamaConfig::check(const HeadShape& head) const {
  require_even(kind, head);
  if (head.dim < 2 * head.axes)
    throw ConfigError("model.position.kind: visionllama needs a head dimension of at least 2 per axis; width / heads is " + text(head.dim) + " for " +
                      text(head.axes) + " axes.");
}

void LiereConfig::check(const HeadShape& head) const {
  if (block_size < 2)
    throw ConfigError("model.position.block_size is " + text(block_size) +
                      ": a 1x1 skew-symmetric block is zero and has no parameters; use 2 or more, or kind: none.");
  if (head.dim % block_size != 0)
    throw ConfigError("model.position.block_size " + text(block_size) + " does not divide the head dimension (width / heads) " + text(head.dim) + ".");
}

std::string encoding_label(const PositionConfig& position) {
  return std::visit(
      [](const auto& p) -> std::string {
        if constexpr (requires { p.label(); }) return p.label();
        else return p.kind;
      },
      position);
}

void check_position(const PositionConfig& position, const HeadShape& head) {
  std::visit(
      [&head](const auto& p) {
        if constexpr (requires { p.check(head); }) p.check(head);
      },
      position);
}

}  // namespace liere
