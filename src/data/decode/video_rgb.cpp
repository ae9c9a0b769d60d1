#include "data/decode/video_rgb.h"

#ifdef LIERE_VIDEO
extern "C" {
#include <libavutil/frame.h>
#include <libavutil/pixdesc.h>
#include <libswscale/swscale.h>
}

#include <cstring>

#include "core/check.h"
#include "data/decode/video_stream.h"

namespace liere {
namespace {

constexpr int kFlags = SWS_BILINEAR | SWS_BITEXACT;

/// The formats with full range in their name are deprecated: the same planes without it, and whether the range is full.
AVPixelFormat without_range(int format, bool& full) {
  switch (format) {
    case AV_PIX_FMT_YUVJ420P:
      full = true;
      return AV_PIX_FMT_YUV420P;
    case AV_PIX_FMT_YUVJ422P:
      full = true;
      return AV_PIX_FMT_YUV422P;
    case AV_PIX_FMT_YUVJ444P:
      full = true;
      return AV_PIX_FMT_YUV444P;
    case AV_PIX_FMT_YUVJ440P:
      full = true;
      return AV_PIX_FMT_YUV440P;
    case AV_PIX_FMT_YUVJ411P:
      full = true;
      return AV_PIX_FMT_YUV411P;
    default:
      return static_cast<AVPixelFormat>(format);
  }
}

int matrix_of(AVColorSpace space) {
  switch (space) {
    case AVCOL_SPC_BT709:
      return SWS_CS_ITU709;
    case AVCOL_SPC_FCC:
      return SWS_CS_FCC;
    case AVCOL_SPC_SMPTE240M:
      return SWS_CS_SMPTE240M;
    case AVCOL_SPC_BT2020_NCL:
    case AVCOL_SPC_BT2020_CL:
      return SWS_CS_BT2020;
    default:
      return SWS_CS_ITU601;
  }
}

}  // namespace

RgbConverter::~RgbConverter() { sws_freeContext(context_); }

void RgbConverter::convert(const AVFrame& picture, uint8_t* rgb, const std::string& name) {
  silence_libav();
  bool full = picture.color_range == AVCOL_RANGE_JPEG;
  const AVPixelFormat format = without_range(picture.format, full);
  context_ = sws_getCachedContext(context_, picture.width, picture.height, format, picture.width, picture.height, AV_PIX_FMT_RGB24, kFlags, nullptr,
                                  nullptr, nullptr);
  if (!context_) {
    const char* known = av_get_pix_fmt_name(format);
    throw DataError(name + ": pixels of the form " + std::string(known ? known : "?") +
                    " cannot be converted to RGB; encode the video anew with 8-bit YUV 4:2:0.");
  }
  // RGB has no matrix to choose: the call refuses it, and nothing is to be set.
  sws_setColorspaceDetails(context_, sws_getCoefficients(matrix_of(picture.colorspace)), full ? 1 : 0, sws_getCoefficients(SWS_CS_DEFAULT), 1, 0,
                           1 << 16, 1 << 16);
  // Its loops may write some bytes behind a row; behind the last one is nothing of ours, so it goes through a buffer of its own size.
  const size_t row_bytes = size_t(3) * picture.width, bytes = row_bytes * picture.height;
  buffer_.resize(bytes + 64);
  uint8_t* const planes[4] = {buffer_.data(), nullptr, nullptr, nullptr};
  const int strides[4] = {static_cast<int>(row_bytes), 0, 0, 0};
  if (sws_scale(context_, picture.data, picture.linesize, 0, picture.height, planes, strides) != picture.height)
    throw DataError(name + ": a picture could not be converted to RGB; fetch the file again.");
  std::memcpy(rgb, buffer_.data(), bytes);
}

}  // namespace liere
#endif
