// Geometry of 8-bit frames: mirror, crop with zero padding, cutout, and affine maps with nearest-neighbour sampling.
// An affine map (a0..a5) says where an output pixel comes from: output (x, y) shows input (a0 x + a1 y + a2, a3 x + a4 y + a5), taken at pixel
// centres; what lies outside is the fill colour. Translations step in double, all other maps in 16.16 fixed point, as Pillow does (Geometry.c).
#pragma once

#include <array>

#include "data/transforms/rgb.h"

namespace liere {

using AffineMatrix = std::array<double, 6>;

/// Mirrors left and right. Any number of channels.
Frames flip_horizontal(Frames frames);

/// The box of each frame; what lies outside the picture is 0. The box may begin at negative coordinates. Any number of channels.
Frames crop(const Frames& frames, const Box& box);

/// Output as large as the input, RGB only.
Frames affine_nearest(const Frames& frames, const AffineMatrix& matrix, Rgb fill = {});

/// The part of a picture of height x width that the box `window` of its affine map reads; one pixel where it reads nothing but the fill colour.
Box affine_source_box(int64_t height, int64_t width, const AffineMatrix& matrix, const Box& window);
/// The box `window` of affine_nearest of a picture of height x width, of which `frames` holds the box `source` (which contains affine_source_box).
Frames affine_nearest_window(const Frames& frames, const Box& source, int64_t height, int64_t width, const AffineMatrix& matrix, const Box& window,
                             Rgb fill = {});

/// Turns counter-clockwise by `degrees` about (width / 2, height / 2); Pillow rounds sine and cosine to 15 decimals.
/// Pillow moves pixels without sampling at the other multiples of 90; no operation here turns that far.
AffineMatrix rotation_matrix(double degrees, int64_t height, int64_t width);
/// affine_nearest with rotation_matrix and fill 0; at 0 degrees the picture as it is.
Frames rotate(Frames frames, double degrees);

/// Paints a square of `side` pixels around (centre_x, centre_y): columns x0 .. trunc(min(W, x0 + side)), both included, with x0 = trunc(max(0,
/// centre_x - side/2)); rows alike. The far end is counted from the clamped x0, so a box does not shrink at the left and upper border, and side 0
/// paints one pixel.
Frames cutout(Frames frames, double centre_x, double centre_y, double side, Rgb fill);
/// The same on a picture of height x width of which `frames` holds the box `part`.
Frames cutout_part(Frames frames, const Box& part, int64_t height, int64_t width, double centre_x, double centre_y, double side, Rgb fill);

}  // namespace liere
