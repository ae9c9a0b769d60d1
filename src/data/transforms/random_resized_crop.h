// RandomResizedCrop (Szegedy et al. 2015, as torchvision has it): a box of a random share of the picture's area and a random aspect, later resized to
// the input size.
//   s ~ U[scale], a = exp(U[log ratio]), w = round(sqrt(H W s a)), h = round(sqrt(H W s / a)), halves to even
// It is taken when 0 < w <= W and 0 < h <= H; after ten refused boxes the largest centred box whose aspect is in range.
#pragma once

#include "core/rng.h"
#include "data/config.h"
#include "data/transforms/resize.h"

namespace liere {

/// Throws ConfigError unless scale is two shares 0 < low <= high <= 1 and ratio two aspects 0 < low <= high.
void require_valid(const RandomResizedCropConfig& config);

/// Height and width for an area share and an aspect (width over height); may exceed the picture.
PictureSize resized_crop_size(PictureSize picture, double share, double aspect);

/// A box inside the picture. Order of the draws: per try the share and the aspect (two uniforms); of the box taken its top, then its left (integers).
/// `config` is valid.
Box draw_random_resized_crop(const RandomResizedCropConfig& config, PictureSize picture, Rng& rng);

}  // namespace liere
