#include "data/png.h"

#include <png.h>

#include "core/check.h"
#include "core/files.h"

namespace liere {

std::string encode_png(const Frames& frames) {
  const auto& shape = frames.shape();
  if (frames.type() != PixelType::kU8 || shape.frames != 1 || shape.elements() == 0 || (shape.channels != 1 && shape.channels != 3))
    throw DataError("A PNG file holds one 8-bit picture of 1 or 3 channels, found " + std::to_string(shape.frames) + " frames of " +
                    std::to_string(shape.height) + "x" + std::to_string(shape.width) + " with " + std::to_string(shape.channels) + " channels.");
  png_image image{};
  image.version = PNG_IMAGE_VERSION;
  image.width = static_cast<png_uint_32>(shape.width);
  image.height = static_cast<png_uint_32>(shape.height);
  image.format = shape.channels == 3 ? PNG_FORMAT_RGB : PNG_FORMAT_GRAY;
  png_alloc_size_t size = PNG_IMAGE_PNG_SIZE_MAX(image);
  std::string bytes(size, '\0');
  if (!png_image_write_to_memory(&image, bytes.data(), &size, 0, frames.u8(), 0, nullptr))
    throw DataError(std::string("The PNG could not be encoded: ") + image.message + ".");
  bytes.resize(size);
  return bytes;
}

void write_png(const std::filesystem::path& path, const Frames& frames) { write_file_atomically(path, encode_png(frames)); }

}  // namespace liere
