// compat: liere_release sets the keys with which training and evaluation compute what the authors' released code computes (docs/reproduce.md, "Where the paper
// and the released code differ"). It is a preset and no more: every value shows in --print-config with the origin "compat", and nothing else asks for it.
#pragma once

#include <string_view>

#include "core/config.h"

namespace liere {

enum class Compat { kNone, kLiereRelease };
template <>
struct EnumNames<Compat> {
  static constexpr std::pair<Compat, std::string_view> values[] = {{Compat::kNone, "none"}, {Compat::kLiereRelease, "liere_release"}};
};

/// The preset's values for the configuration `root` (read without it): they depend on its data set, its position encoding and whether it uses RandAugment.
/// Without `compat: liere_release` in it the preset is empty.
ConfigPreset compat_preset(const ConfigNode& root);

}  // namespace liere
