// The table of RandAugment's kind `increasing` (timm's "Increasing" operations, as the paper's release has them for clips), and its draws.
// L = level / 10: Rotate 30 L degrees, PosterizeIncreasing 4 - trunc(4 L) bits, SolarizeIncreasing threshold 256 - trunc(256 L), SolarizeAdd
// trunc(110 L) added below 128, Color / Contrast / Brightness / SharpnessIncreasing factor 1 +- 0.9 L, Shear 0.3 L, TranslateRel 0.45 L of the side.
#pragma once

#include "data/transforms/rand_augment.h"

namespace liere {

/// What affine maps of bicubic sampling show outside the picture.
constexpr Rgb kBicubicFill{128, 128, 128};

std::span<const AugmentOperation> increasing_operations();

/// draw_rand_augment of this kind.
std::vector<DrawnOperation> draw_increasing(const RandAugmentConfig& config, int64_t height, int64_t width, Rng& rng);

}  // namespace liere
