#include "data/decode/video.h"

#include "core/check.h"

namespace liere {
bool video_supported() { return false; }
struct VideoDecoder::State {};
VideoDecoder::VideoDecoder(std::string, std::string, VideoLimits, int64_t) { throw ConfigError("video"); }
VideoDecoder::~VideoDecoder() = default;
VideoShape VideoDecoder::shape() { return {}; }
Frames VideoDecoder::frames(const std::vector<int64_t>&) { return {}; }
}  // namespace liere
