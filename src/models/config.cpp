#include "models/config.h"

#include <array>

#include "core/check.h"

namespace liere {
namespace {

struct Sizes {
  Preset preset;
  int64_t width, depth, heads, mlp;
};
// Section 2 of the paper's supplement; huge follows ViT-H.
constexpr std::array kSizes = {Sizes{Preset::kTiny, 384, 12, 6, 768}, Sizes{Preset::kBase, 768, 12, 12, 3072},
                               Sizes{Preset::kLarge, 1024, 24, 16, 4096}, Sizes{Preset::kHuge, 1280, 32, 16, 5120}};

std::string text(int64_t value) { return std::to_string(value); }

void take_size(const char* key, std::optional<int64_t>& value, int64_t preset_value, Preset preset) {
  if (value && *value != preset_value)
    throw ConfigError("model." + std::string(key) + " is " + text(*value) + ", but model.preset: " + std::string(name_of(preset)) + " means " +
                      text(preset_value) + ". Leave " + key + " out, or set preset: custom and give width, depth, heads and mlp.");
  value = preset_value;
}

void resolve_sizes(VitConfig& c) {
  if (c.preset != Preset::kCustom) {
    for (const Sizes& sizes : kSizes) {
      if (sizes.preset != c.preset) continue;
      take_size("width", c.width, sizes.width, c.preset);
      take_size("depth", c.depth, sizes.depth, c.preset);
      take_size("heads", c.heads, sizes.heads, c.preset);
      take_size("mlp", c.mlp, sizes.mlp, c.preset);
    }
    return;
  }
  std::string missing;
  const std::pair<const char*, std::optional<int64_t>*> keys[] = {{"width", &c.width}, {"depth", &c.depth}, {"heads", &c.heads}, {"mlp", &c.mlp}};
  for (const auto& [key, value] : keys)
    if (!*value) missing += (missing.empty() ? "" : ", ") + std::string(key);
  if (!missing.empty()) throw ConfigError("model.preset: custom needs width, depth, heads and mlp; missing: " + missing + ".");
  for (const auto& [key, value] : keys)
    if (**value < 1) throw ConfigError("model." + std::string(key) + " is " + text(**value) + "; at least 1 is needed.");
}

void check_input(const VitConfig& c) {
  if (c.input_size.empty() || c.input_size.size() > 3)
    throw ConfigError("model.input_size has " + text(c.axes()) +
                      " axes; one to three are possible: [length], [rows, columns] or [frames, rows, columns].");
  if (c.patch.size() != c.input_size.size())
    throw ConfigError("model.patch has " + std::to_string(c.patch.size()) + " axes and model.input_size " + text(c.axes()) +
                      "; give one patch size per axis.");
  for (size_t axis = 0; axis < c.patch.size(); ++axis)
    if (c.patch[axis] < 1 || c.input_size[axis] < 1 || c.input_size[axis] % c.patch[axis] != 0)
      throw ConfigError("model.patch " + text(c.patch[axis]) + " does not divide model.input_size " + text(c.input_size[axis]) + " along axis " +
                        std::to_string(axis) + "; choose sizes that are multiples of the patch.");
}

void check_field_of_view(const VitConfig& c) {
  const bool physical = std::visit(
      [](const auto& p) {
        if constexpr (requires { p.positions; }) return p.positions == PositionRule::kPhysical;
        else return false;
      },
      c.position);
  if (physical && c.field_of_view.empty())
    throw ConfigError("model.position.positions is physical, but model.field_of_view is not given. Give the millimetres that an input shows along each axis, such as [160, 220, 220].");
  if (!c.field_of_view.empty() && c.field_of_view.size() != c.input_size.size())
    throw ConfigError("model.field_of_view has " + std::to_string(c.field_of_view.size()) + " axes and model.input_size " + text(c.axes()) + "; give one extent per axis.");
  if (c.reference_extent && c.field_of_view.empty())
    throw ConfigError("model.reference_extent is given, but model.field_of_view is not: give both, or neither.");
}

}  // namespace

void VitConfig::resolve() {
  resolve_sizes(*this);
  check_input(*this);
  check_field_of_view(*this);
  if (*width % *heads != 0)
    throw ConfigError("model.heads " + text(*heads) + " does not divide model.width " + text(*width) + "; every head needs width / heads channels.");
  check_position(position, {head_dim(), axes()});
}

}  // namespace liere
