// Antialiased resize of 8-bit frames as Pillow does it (Resample.c): each axis by itself, columns within a row first, then rows, both with 8-bit
// results. The filter is stretched by the reduction factor: weight of input k for output i = F((k + 0.5 - (i + 0.5) scale) / max(scale, 1)),
// normalised to 1 and rounded to 22 fractional bits. F is the triangle (bilinear) or the cubic with a = -0.5 (bicubic). Pillow 13 sometimes exchanges
// the two passes; the older order is kept.
#pragma once

#include "data/config.h"
#include "data/sample.h"

namespace liere {

/// [T, H, W, C] -> [T, height, width, C]; an axis whose size does not change is left alone. Any number of channels. Throws DataError for empty sizes.
Frames resize(const Frames& frames, int64_t height, int64_t width, ResizeFilter filter);

struct PictureSize {
  int64_t height = 0, width = 0;
  bool operator==(const PictureSize&) const = default;
};
/// The size with the short side `short_side` and the long one trunc(short_side * long / short), as torchvision's Resize(short_side).
PictureSize size_with_short_side(PictureSize size, int64_t short_side);

/// The rows and columns of a picture of size `full` that the box `window` of its resize to `resized` reads (window inside `resized`).
Box resize_source_box(PictureSize full, PictureSize resized, const Box& window, ResizeFilter filter);
/// The box `window` of the resize to `resized` of a picture of size `full`, of which `frames` holds the box `source` (which contains
/// resize_source_box): the same bytes as resizing the whole and cutting the window out, without computing the rest.
Frames resize_window(const Frames& frames, const Box& source, PictureSize full, PictureSize resized, const Box& window, ResizeFilter filter);

/// The centred box of torchvision's CenterCrop: offset (size - crop) / 2 rounded half to even; a smaller picture is padded, (crop - size) / 2 rounded
/// down in front. Use with `crop`, which pads with zeros.
Box centre_crop_box(PictureSize size, PictureSize crop);

}  // namespace liere
