// 3-Augment (Touvron et al., "DeiT III: Revenge of the ViT", 2022): one of three operations, each picture its own, in place of RandAugment:
// grey, solarize (values from 128 on inverted), or Gaussian blur with radius ~ U[0.1, 2]. DeiT III adds colour jitter 0.3 and a flip.
#pragma once

#include "core/rng.h"
#include "data/sample.h"

namespace liere {

enum class ThreeAugmentOperation { kGrey, kSolarize, kBlur };
struct DrawnThreeAugment {
  ThreeAugmentOperation operation = ThreeAugmentOperation::kGrey;
  double radius = 0;  // of the blur, in pixels
};

/// Order of the draws: which one (integer of 3); of the blur, its radius (uniform).
DrawnThreeAugment draw_three_augment(Rng& rng);
/// RGB only.
Frames apply_three_augment(Frames frames, const DrawnThreeAugment& drawn);

}  // namespace liere
