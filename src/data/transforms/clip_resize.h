// The resizes of clips, from 8-bit RGB frames straight to the model's normalised floats [C, T, H, W]; only what the window shows is read and computed.
//   box     torch's bilinear without antialias of the normalised frames: s = max(0, (in / out) (i + 1/2) - 1/2), i0 = trunc(s), l = s - i0,
//           (1 - ly) ((1 - lx) p00 + lx p01) + ly ((1 - lx) p10 + lx p11), in float32
//   window  OpenCV's INTER_LINEAR of 8-bit frames bit for bit (weights of 11 bits, rounded to bytes), then normalised
// The forms of the instruction sets give the same values.
#pragma once

#include <array>
#include <vector>

#include "core/instruction_set.h"
#include "data/transforms/resize.h"

namespace liere {

/// What each byte of a channel becomes: (p / 255 - mean) / std in float32.
using NormalizedBytes = std::array<std::array<float, 256>, 3>;
NormalizedBytes normalized_bytes(const std::vector<float>& mean, const std::vector<float>& std);

/// The box of all frames, resized to `size` as floats; `flip` mirrors left and right. Throws DataError for a box that is not inside.
void resize_box_normalized(const Frames& frames, const Box& box, PictureSize size, bool flip, const NormalizedBytes& values, float* out_CTHW,
                           InstructionSet set = instruction_set());

/// The window of all frames resized to `resized`, normalised. Throws DataError for a window that is not inside.
void resize_window_normalized(const Frames& frames, PictureSize resized, const Box& window, bool flip, const NormalizedBytes& values, float* out_CTHW,
                              InstructionSet set = instruction_set());

}  // namespace liere
