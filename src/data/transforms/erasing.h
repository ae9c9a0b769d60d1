// Random erasing (Zhong et al. 2020) in the form of timm's mode `pixel`: after normalisation, a box of the picture is replaced by N(0, 1) noise, a
// number for each channel and pixel. Area ~ U[0.02, 1/3] of the picture, aspect = exp(U[log 0.3, log 1/0.3]), h = round(sqrt(area aspect)), w =
// round(sqrt(area / aspect)), halves to even; the box is taken when w < W and h < H, then top ~ U{0..H-h} and left ~ U{0..W-w}; after 100 refused
// boxes nothing is erased.
#pragma once

#include <optional>

#include "core/rng.h"
#include "data/sample.h"

namespace liere {

struct DrawnErasing {
  Box box;                 // the same for all frames
  uint64_t noise_key = 0;  // of fill_normal (core/rng.h): every frame, channel, row and column of the box its own number, in this order
};

/// With probability `probability`; nullopt: nothing is erased. Order of the draws: one coin (none at probability 0); per try the area and the aspect
/// (two uniforms); of the box taken its top, its left (integers) and 64 bits for the noise.
std::optional<DrawnErasing> draw_erasing(double probability, int64_t height, int64_t width, Rng& rng);

/// Replaces the box in the normalised floats [C, T, H, W] of frames of `shape`. Throws DataError for a box that is not inside.
void erase(float* values_CTHW, const FrameShape& shape, const DrawnErasing& erasing);

}  // namespace liere
