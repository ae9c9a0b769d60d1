// Formats other than JPEG and PNG, by OpenCV's imgcodecs where it was found (LIERE_IMGCODECS): BMP, TIFF, WebP and whatever that library was built
// with.
#include "core/check.h"
#include "data/decode/decoders.h"

#ifdef LIERE_IMGCODECS
#include <climits>
#include <opencv2/imgcodecs.hpp>
#endif

namespace liere {
namespace {

#ifdef LIERE_IMGCODECS
/// 8-bit blue, green, red; the file's orientation is left alone.
cv::Mat decode_bgr(std::string_view bytes, const std::string& name, const char* kind) {
  cv::Mat picture;
  if (bytes.size() > INT_MAX) throw_damaged(name, "expected a file of less than 2 GiB, found " + std::to_string(bytes.size()) + " bytes");
  try {
    const cv::Mat encoded(1, static_cast<int>(bytes.size()), CV_8U, const_cast<char*>(bytes.data()));
    picture = cv::imdecode(encoded, cv::IMREAD_COLOR | cv::IMREAD_IGNORE_ORIENTATION);
  } catch (const cv::Exception& error) {
    throw_damaged(name, std::string("the file (") + kind + ") cannot be decoded: " + error.err);
  }
  if (picture.empty()) throw_damaged(name, std::string("the file (") + kind + ") is damaged, or of a kind that OpenCV's imgcodecs does not read");
  require_picture_size(picture.rows, picture.cols, name);
  return picture;
}
#else
[[noreturn]] void throw_unknown(const std::string& name, const char* kind) {
  throw DataError(name + ": expected a JPEG or a PNG, found " + kind +
                  "; convert it, or install libopencv-imgcodecs-dev and build again, which reads more formats");
}
#endif

}  // namespace

ImageInfo read_other_info(std::string_view bytes, const std::string& name, const char* kind) {
#ifdef LIERE_IMGCODECS
  const cv::Mat picture = decode_bgr(bytes, name, kind);
  return {ImageFormat::kOther, picture.rows, picture.cols, 3};
#else
  throw_unknown(name, kind);
#endif
}

Frames decode_other(std::string_view bytes, const std::string& name, const char* kind, const std::optional<Box>& box) {
#ifdef LIERE_IMGCODECS
  const cv::Mat picture = decode_bgr(bytes, name, kind);
  const Box taken = checked_box(box, {ImageFormat::kOther, picture.rows, picture.cols, 3}, name);
  Frames frames(PixelType::kU8, {1, taken.height, taken.width, 3});
  uint8_t* out = frames.u8();
  for (int64_t y = 0; y < taken.height; ++y) {
    const uint8_t* in = picture.ptr<uint8_t>(static_cast<int>(taken.top + y)) + taken.left * 3;
    for (int64_t x = 0; x < taken.width; ++x, in += 3, out += 3) {
      out[0] = in[2];
      out[1] = in[1];
      out[2] = in[0];
    }
  }
  return frames;
#else
  throw_unknown(name, kind);
#endif
}

}  // namespace liere
