// Affine maps of 8-bit RGB frames with bicubic sampling, Pillow's bit for bit (Geometry.c), of any window of the result from any part of the picture that
// covers what the window reads. Output (x, y), X = x + 1/2, Y = y + 1/2, shows u = (a0 X + a1 Y) + a2, w = (a3 X + a4 Y) + a5 (in double); outside
// [0, W) x [0, H) the fill colour; else four columns and rows about (u - 1/2, w - 1/2), indices clamped to the picture, with the cubic kernel of a = -1:
//   c(v1, v2, v3, v4, d) = v2 + d ((-v1 + v3) + d ((2 (v1 - v2) + v3 - v4) + d (-v1 + v2 - v3 + v4)))
// first along the rows, then down the column; the result clamped to 0..255 and cut to a whole number.
#pragma once

#include "core/instruction_set.h"
#include "data/transforms/geometry.h"

namespace liere {

/// The part of a picture of height x width that the box `window` of the map reads; one pixel where it reads nothing but the fill colour.
Box affine_bicubic_source_box(int64_t height, int64_t width, const AffineMatrix& matrix, const Box& window);

/// The box `window` of the map of a picture of height x width, of which `frames` holds the box `source`. The forms of the instruction sets give the same
/// bytes. Throws DataError where `source` does not cover affine_bicubic_source_box.
Frames affine_bicubic_window(const Frames& frames, const Box& source, int64_t height, int64_t width, const AffineMatrix& matrix, const Box& window,
                             Rgb fill, InstructionSet set = instruction_set());

}  // namespace liere
