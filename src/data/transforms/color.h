// Colour operations on 8-bit RGB frames [T, H, W, 3], Pillow's ImageOps and ImageEnhance bit for bit. Statistics (histograms, means) are each frame's
// own. The blend family moves from a degenerate picture D to the picture p and beyond: D + factor (p - D) in float32, cut to a whole number, clamped
// to 0..255.
#pragma once

#include "data/transforms/rgb.h"

namespace liere {

/// Each channel stretched so that its smallest and largest value reach 0 and 255 (by Pillow's truncation sometimes 254).
Frames autocontrast(Frames frames);
/// Each channel's histogram flattened.
Frames equalize(Frames frames);
Frames invert(Frames frames);
/// Keeps the highest `bits` (0..8) bits of each value.
Frames posterize(Frames frames, int64_t bits);
/// Inverts values not below the threshold: p < threshold ? p : 255 - p. The threshold need not be whole.
Frames solarize(Frames frames, double threshold);
/// q = trunc(clamp(p + addend)), then q < 128 ? q : 255 - q: the paper's release adds to every value before it solarizes.
Frames solarize_add(Frames frames, double addend);
/// p < 128 ? min(255, p + addend) : p; timm's SolarizeAdd.
Frames add_to_dark(Frames frames, int64_t addend);

/// D = black.
Frames adjust_brightness(Frames frames, double factor);
/// D = the pixel's own grey (ITU-R 601).
Frames adjust_color(Frames frames, double factor);
/// D = the frame's mean grey.
Frames adjust_contrast(Frames frames, double factor);
/// D = the frame smoothed with weights 1 and 5 in the centre, over 13; border pixels as they are.
Frames adjust_sharpness(Frames frames, double factor);

}  // namespace liere
