#include "data/transforms/three_augment.h"

#include "data/transforms/blur.h"
#include "data/transforms/color.h"

namespace liere {

DrawnThreeAugment draw_three_augment(Rng& rng) {
  DrawnThreeAugment drawn{static_cast<ThreeAugmentOperation>(rng.integer(3)), 0};
  if (drawn.operation == ThreeAugmentOperation::kBlur) drawn.radius = rng.uniform(0.1, 2.0);
  return drawn;
}

Frames apply_three_augment(Frames frames, const DrawnThreeAugment& drawn) {
  switch (drawn.operation) {
    case ThreeAugmentOperation::kGrey:
      return adjust_color(std::move(frames), 0);
    case ThreeAugmentOperation::kSolarize:
      return solarize(std::move(frames), 128);
    case ThreeAugmentOperation::kBlur:
      return gaussian_blur(std::move(frames), drawn.radius);
  }
  throw DataError("3-Augment: there is no operation " + std::to_string(static_cast<int>(drawn.operation)));
}

}  // namespace liere
