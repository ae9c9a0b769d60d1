// Video files through libavformat and libavcodec (component LIERE_VIDEO): decoded from the first frame on in one thread, never seeking, within
// limits. What the decoder returns is what a video has: headers, indices and other programs' counts disagree.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "data/sample.h"

namespace liere {

struct VideoLimits {
  int64_t max_pixels = 4096 * 2304;  // of a frame
  int64_t max_frames = 20000;
  double seconds = 5;             // of decoding a video once, by the wall clock; what callers do between is not counted
  int64_t held_bytes = 64 << 20;  // of decoded frames (YUV) kept for later requests
};

struct VideoShape {
  int64_t frames = 0, height = 0, width = 0;
};

/// Whether this build decodes video.
bool video_supported();

/// A video's encoded bytes, decoded as far as needed and no further. Not thread-safe: each worker opens its own.
class VideoDecoder {
 public:
  /// `known_frames`: the frame count where an index has it, so that shape() need not decode; 0: unknown. Throws ConfigError in a build without video;
  /// DataError naming `name` for what is no video, has no frames, or exceeds the limits.
  VideoDecoder(std::string bytes, std::string name, VideoLimits limits = {}, int64_t known_frames = 0);
  ~VideoDecoder();

  /// Decodes everything where the count is not known.
  VideoShape shape();
  /// RGB u8 [indices.size(), height, width, 3]; indices in any order, repeated ones allowed. Frames asked for before are kept
  /// (within held_bytes); a request that goes back behind what is kept begins a second pass, which keeps all, so that several requests share it.
  /// Throws DataError: damaged data, a size that changes, fewer frames than known, the deadline.
  Frames frames(const std::vector<int64_t>& indices);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace liere
