// PNG files of 8-bit pictures, for people to look at.
#pragma once

#include <filesystem>
#include <string>

#include "data/sample.h"

namespace liere {

/// The file's bytes. `frames`: u8 [1, H, W, C] with C = 1 (grey) or 3 (RGB); DataError otherwise.
std::string encode_png(const Frames& frames);

/// Writes atomically; Error(kFailure) naming the path when it cannot.
void write_png(const std::filesystem::path& path, const Frames& frames);

}  // namespace liere
