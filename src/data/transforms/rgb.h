// What the picture transforms share. All of them work on 8-bit frames [T, H, W, C]; each frame of a clip is treated by itself with the same
// arguments. Their arithmetic is Pillow's, bit for bit (checked against Pillow 12.3): a model trained on other bytes would not be the published one.
#pragma once

#include <string>

#include "core/check.h"
#include "data/sample.h"

namespace liere {

struct Rgb {
  uint8_t red = 0, green = 0, blue = 0;
};

/// Throws DataError unless the frames are 8-bit; with `rgb` also unless they have three channels.
inline void require_pixels(const Frames& frames, const char* operation, bool rgb = true) {
  if (frames.type() != PixelType::kU8)
    throw DataError(std::string(operation) + ": expected 8-bit pixels, found wider ones; convert the picture to 8 bits first");
  if (rgb && frames.shape().channels != 3)
    throw DataError(std::string(operation) + ": expected 3 channels (red, green, blue), found " + std::to_string(frames.shape().channels) +
                    "; leave the operation out for such data");
}

}  // namespace liere
