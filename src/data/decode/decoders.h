// The decoders behind read_image_info and decode_image, one per file format. All throw DataError naming the picture; boxes have been checked by the
// caller.
#pragma once

#include "data/decode/image.h"

namespace liere {

/// What no photograph has: twice Pillow's warning threshold (a quarter of a gibibyte of 24-bit pixels), where Pillow refuses a "decompression bomb"
/// as well.
constexpr int64_t kMaxPicturePixels = 178956970;

/// "NAME: PROBLEM", with what to do where PROBLEM does not say it.
[[noreturn]] void throw_damaged(const std::string& name, const std::string& problem);
/// Throws unless 1 <= pixels <= kMaxPicturePixels.
void require_picture_size(int64_t height, int64_t width, const std::string& name);
/// `box` or the whole; throws for a box that is not inside the picture.
Box checked_box(const std::optional<Box>& box, const ImageInfo& info, const std::string& name);

ImageInfo read_jpeg_info(std::string_view bytes, const std::string& name);
Frames decode_jpeg(std::string_view bytes, const std::string& name, const std::optional<Box>& box);

ImageInfo read_png_info(std::string_view bytes, const std::string& name);
Frames decode_png(std::string_view bytes, const std::string& name, const std::optional<Box>& box);

/// By OpenCV's imgcodecs, which must decode a picture to tell its size; without that component an error that says how to get it.
ImageInfo read_other_info(std::string_view bytes, const std::string& name, const char* kind);
Frames decode_other(std::string_view bytes, const std::string& name, const char* kind, const std::optional<Box>& box);

}  // namespace liere
