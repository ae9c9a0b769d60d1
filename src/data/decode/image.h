// Still pictures from their encoded bytes: JPEG by libjpeg-turbo (slow integer DCT, smooth chroma upsampling: the bytes that Pillow decodes), PNG by libpng,
// other formats by OpenCV's imgcodecs where it is built in. What a file is is told by its first bytes, never by its name. Grey becomes RGB by copying, CMYK as Pillow
// converts it; EXIF's orientation is left alone, as Pillow and torchvision leave it.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "data/sample.h"

namespace liere {

enum class ImageFormat { kJpeg, kPng, kOther };

struct ImageInfo {
  ImageFormat format = ImageFormat::kJpeg;
  int64_t height = 0, width = 0;
  int64_t components = 3;  // in the file: 1 grey, 3 colour, 4 CMYK or with alpha
};

/// From the headers alone. Throws DataError naming the picture: empty, not a picture (what it looks like instead: HTML, zero bytes), a kind that no decoder here reads,
/// or more pixels than any photograph has.
ImageInfo read_image_info(std::string_view bytes, const std::string& name);

/// RGB u8 [1, box.height, box.width, 3]: the box of the picture, nullopt = all of it. The pixels equal those of the full decode; rows outside the box are
/// not decoded where the format allows it. Throws DataError naming the picture: truncated or damaged data (nothing is filled in), arithmetic coding that is not built in, a box
/// that is not inside the picture.
Frames decode_image(std::string_view bytes, const std::string& name, const std::optional<Box>& box = std::nullopt);

}  // namespace liere
