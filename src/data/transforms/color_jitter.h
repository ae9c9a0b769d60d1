// Colour jitter as torchvision.transforms.ColorJitter on Pillow pictures: brightness, contrast, saturation and hue, each by a random factor and in a
// random order.
//   brightness, contrast, saturation: factor ~ U[max(0, 1 - s), 1 + s], the blends of transforms/color.h (saturation = adjust_color)
//   hue: shift ~ U[-s, s] of a full turn, through Pillow's 8-bit HSV and back (which alone loses a little, also with shift 0)
// A strength of 0 leaves the step out. Drawing and applying are separate, so that everything random is known before a picture is decoded.
#pragma once

#include <vector>

#include "core/rng.h"
#include "data/config.h"
#include "data/sample.h"

namespace liere {

/// Turns the hue by `shift` (-0.5..0.5) of a full turn. Pillow keeps hue in 0..255; the shift is trunc(255 shift), added modulo 256. RGB only.
Frames adjust_hue(Frames frames, double shift);

enum class JitterStep { kBrightness, kContrast, kSaturation, kHue };
struct DrawnJitter {
  JitterStep step = JitterStep::kBrightness;
  double factor = 1;  // of hue: the shift
};

/// The steps in the order in which they are applied. Order of the draws: a permutation of the four steps, then one uniform for each step with a
/// strength above 0, in the order brightness, contrast, saturation, hue. Nothing is drawn when all strengths are 0.
std::vector<DrawnJitter> draw_color_jitter(const ColorJitterConfig& config, Rng& rng);

/// RGB only.
Frames apply_color_jitter(Frames frames, const std::vector<DrawnJitter>& steps);

}  // namespace liere
