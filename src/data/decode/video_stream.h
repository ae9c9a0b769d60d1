// One pass over a video's bytes with libav, inside decode/video.cpp and the frame cache: container -> packets -> decoded pictures, in the order they
// are shown. What may be read is listed: AVI (UCF101, HMDB51), MP4 and Matroska/WebM (Kinetics, Something-Something), and in them the codecs such
// sets have; each further reader is one more that hostile bytes reach. The container is told by its first bytes, never by trying. Only with the
// component LIERE_VIDEO.
#pragma once

#include <memory>
#include <string>

#include "data/decode/video.h"

struct AVFrame;

namespace liere {

/// A decoded picture: planes as the codec left them, shared with it.
using Picture = std::shared_ptr<AVFrame>;

/// Rows and columns.
std::pair<int64_t, int64_t> picture_size(const AVFrame& picture);

/// Which decoder gave the frames, and by which rules: counts and caches of another one are not comparable. "libavcodec 59.37.100, rules 1".
std::string video_decoder_version();

/// `bytes` and `name` must outlive it.
class VideoStream {
 public:
  /// Throws DataError naming `name`: no AVI, MP4 or Matroska file, shorter than its header says, no video in it, a codec that is not listed, a
  /// picture above max_pixels.
  VideoStream(const std::string& bytes, const std::string& name, const VideoLimits& limits);
  ~VideoStream();

  /// The next picture, null at the end. Throws DataError: damaged data (also what the codec would conceal), another size or pixel format than the
  /// first picture's, more than max_frames, more than limits.seconds of this pass spent in these calls.
  Picture next();

 private:
  struct State;
  class Running;
  std::unique_ptr<State> state_;
};

/// Makes libav write to nobody's terminal; what it says is part of our sentences. Any thread, any number of times.
void silence_libav();

}  // namespace liere
