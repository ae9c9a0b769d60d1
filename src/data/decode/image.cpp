#include "data/decode/image.h"

#include <algorithm>

#include "core/check.h"
#include "data/decode/decoders.h"

namespace liere {
namespace {

using namespace std::string_view_literals;

struct Signature {
  std::string_view start;
  const char* kind;
};
constexpr Signature kOtherKinds[] = {{"GIF8"sv, "a GIF"},
                                     {"BM"sv, "a BMP"},
                                     {"II*\0"sv, "a TIFF"},
                                     {"MM\0*"sv, "a TIFF"},
                                     {"RIFF"sv, "a WebP"},
                                     {"\0\0\0\x0cjP  "sv, "a JPEG 2000"},
                                     {"\xffO\xffQ"sv, "a JPEG 2000"},
                                     {"P5"sv, "a PGM"},
                                     {"P6"sv, "a PPM"}};

/// A printable rendering of the first bytes.
std::string beginning(std::string_view bytes) {
  std::string text;
  for (const unsigned char c : bytes.substr(0, 16)) text += c >= 32 && c < 127 ? static_cast<char>(c) : '.';
  return text;
}

/// Format and, for kOther, which one. Throws for what is not a picture at all.
std::pair<ImageFormat, const char*> recognise(std::string_view bytes, const std::string& name) {
  if (bytes.empty()) throw_damaged(name, "expected a picture, found an empty file");
  if (bytes.starts_with("\xff\xd8\xff"sv)) return {ImageFormat::kJpeg, nullptr};
  if (bytes.starts_with("\x89PNG\r\n\x1a\n"sv)) return {ImageFormat::kPng, nullptr};
  for (const auto& [start, kind] : kOtherKinds)
    if (bytes.starts_with(start) && (start != "RIFF"sv || bytes.substr(std::min<size_t>(8, bytes.size())).starts_with("WEBP"sv)))
      return {ImageFormat::kOther, kind};
  const auto head = bytes.substr(0, 64);
  if (std::all_of(head.begin(), head.end(), [](char c) { return c == 0; }))
    throw_damaged(name, "expected a picture, found zero bytes (an interrupted copy?)");
  const auto first = bytes.find_first_not_of(" \t\r\n\xef\xbb\xbf"sv);
  if (first != std::string_view::npos && bytes[first] == '<')
    throw_damaged(name,
                  "expected a picture, found a page of HTML or XML (\"" + beginning(bytes.substr(first)) + "\"), as a failed download leaves it");
  throw_damaged(name, "expected a picture, found something else (it begins with \"" + beginning(bytes) + "\")");
}

}  // namespace

void throw_damaged(const std::string& name, const std::string& problem) {
  throw DataError(name + ": " + problem + "; fetch the file again or leave it out");
}

void require_picture_size(int64_t height, int64_t width, const std::string& name) {
  if (height < 1 || width < 1)
    throw_damaged(name, "expected a picture of at least 1x1 pixels, found " + std::to_string(width) + "x" + std::to_string(height));
  if (height > kMaxPicturePixels / width)
    throw_damaged(name,
                  "expected at most " + std::to_string(kMaxPicturePixels) + " pixels, found " + std::to_string(width) + "x" + std::to_string(height));
}

Box checked_box(const std::optional<Box>& box, const ImageInfo& info, const std::string& name) {
  const Box all{0, 0, info.height, info.width};
  if (!box) return all;
  if (box->top < 0 || box->left < 0 || box->height < 1 || box->width < 1 || box->height > info.height || box->width > info.width ||
      box->top > info.height - box->height || box->left > info.width - box->width)
    throw DataError(name + ": expected a box inside the picture of " + std::to_string(info.width) + "x" + std::to_string(info.height) + ", found " +
                    std::to_string(box->width) + "x" + std::to_string(box->height) + " at column " + std::to_string(box->left) + ", row " +
                    std::to_string(box->top) + "; the picture changed after it was measured, or another one was meant");
  return *box;
}

ImageInfo read_image_info(std::string_view bytes, const std::string& name) {
  const auto [format, kind] = recognise(bytes, name);
  return format == ImageFormat::kJpeg  ? read_jpeg_info(bytes, name)
         : format == ImageFormat::kPng ? read_png_info(bytes, name)
                                       : read_other_info(bytes, name, kind);
}

Frames decode_image(std::string_view bytes, const std::string& name, const std::optional<Box>& box) {
  const auto [format, kind] = recognise(bytes, name);
  return format == ImageFormat::kJpeg  ? decode_jpeg(bytes, name, box)
         : format == ImageFormat::kPng ? decode_png(bytes, name, box)
                                       : decode_other(bytes, name, kind, box);
}

}  // namespace liere
