#include "data/decode/video.h"

#include "core/check.h"
#include "data/decode/video_rgb.h"
#include "data/decode/video_stream.h"

#ifdef LIERE_VIDEO
extern "C" {
#include <libavutil/frame.h>
}

#include <algorithm>
#include <cstring>

namespace liere {

bool video_supported() { return true; }

struct VideoDecoder::State {
  State(std::string given_bytes, std::string given_name, VideoLimits given_limits, int64_t known_frames)
      : bytes(std::move(given_bytes)), name(std::move(given_name)), limits(given_limits), known(known_frames) {
    stream = std::make_unique<VideoStream>(bytes, name, limits);
  }

  /// The picture at the pass's place, kept if there is room; null at the end.
  Picture advance() {
    Picture picture = stream->next();
    if (!picture) {
      end(place);
      return nullptr;
    }
    if (place == 0) shape.height = picture->height, shape.width = picture->width;
    if (keeps_all || place == 0) keep(place, picture);  // the first is decoded for its size, whatever is asked for
    ++place;
    return picture;
  }

  bool has(int64_t index) const { return index < static_cast<int64_t>(kept.size()) && kept[index]; }

  void keep(int64_t index, const Picture& picture) {
    if (has(index)) return;
    int64_t bytes = 0;
    for (const AVBufferRef* buffer : picture->buf) bytes += buffer ? static_cast<int64_t>(buffer->size) : 0;
    if (held + bytes > limits.held_bytes) return;
    if (index >= static_cast<int64_t>(kept.size())) kept.resize(index + 1);
    kept[index] = picture;
    held += bytes;
  }

  void end(int64_t count) {
    if (count == 0) throw DataError(name + ": no frame could be decoded, expected at least one; fetch it again, or leave it out.");
    if (known > 0 && count != known)
      throw DataError(name + ": " + std::to_string(count) + " frames were decoded, the index says " + std::to_string(known) +
                      "; run liere-data prepare ucf101 again.");
    counted = count;
  }

  void rewind() {
    stream = std::make_unique<VideoStream>(bytes, name, limits);
    place = 0;
    keeps_all = true;
  }

  void check(int64_t index) const {
    const int64_t count = counted > 0 ? counted : known;
    if (index < 0 || (count > 0 && index >= count))
      throw DataError(name + ": frame " + std::to_string(index) + " was asked for, it has " +
                      (count > 0 ? std::to_string(count) : "none of that number") + ".");
  }

  std::string bytes, name;
  VideoLimits limits;
  int64_t known;
  std::unique_ptr<VideoStream> stream;
  std::vector<Picture> kept;                 // by frame; null where it is not kept
  int64_t held = 0, place = 0, counted = 0;  // bytes kept; frame that advance() gives next; 0: the end was not reached yet
  // Keeping a picture costs a third of decoding it (fresh memory in place of what the codec uses again and again). A clip is one request: only what
  // was asked for is kept, all from then on that a request goes back, and where the count has to be found first.
  bool keeps_all = known == 0;
  VideoShape shape;
  RgbConverter rgb;
};

VideoDecoder::VideoDecoder(std::string bytes, std::string name, VideoLimits limits, int64_t known_frames)
    : state_(std::make_unique<State>(std::move(bytes), std::move(name), limits, known_frames)) {}
VideoDecoder::~VideoDecoder() = default;

VideoShape VideoDecoder::shape() {
  State& state = *state_;
  if (state.shape.height == 0) state.advance();
  if (state.known == 0)
    while (state.counted == 0) state.advance();
  state.shape.frames = state.known > 0 ? state.known : state.counted;
  return state.shape;
}

Frames VideoDecoder::frames(const std::vector<int64_t>& indices) {
  State& state = *state_;
  if (indices.empty()) throw DataError(state.name + ": no frame was asked for, expected at least one.");
  for (const int64_t index : indices) state.check(index);
  std::vector<size_t> order(indices.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return indices[a] < indices[b]; });
  if (state.shape.height == 0) state.advance();
  Frames result(PixelType::kU8, {static_cast<int64_t>(indices.size()), state.shape.height, state.shape.width, 3});
  const int64_t frame_bytes = state.shape.height * state.shape.width * 3;
  Picture picture;
  for (size_t i = 0; i < order.size(); ++i) {
    const int64_t index = indices[order[i]];
    uint8_t* const out = result.u8() + static_cast<int64_t>(order[i]) * frame_bytes;
    if (i > 0 && indices[order[i - 1]] == index) {
      std::memcpy(out, result.u8() + static_cast<int64_t>(order[i - 1]) * frame_bytes, static_cast<size_t>(frame_bytes));
      continue;
    }
    if (!state.has(index)) {
      if (index < state.place) state.rewind();
      while (state.place <= index) {
        picture = state.advance();
        if (!picture) state.check(index);
      }
      state.keep(index, picture);
    }
    state.rgb.convert(state.has(index) ? *state.kept[index] : *picture, out, state.name);
  }
  return result;
}

}  // namespace liere

#else

namespace liere {

bool video_supported() { return false; }
struct VideoDecoder::State {};
VideoDecoder::VideoDecoder(std::string, std::string name, VideoLimits, int64_t) {
  throw ConfigError(name +
                    " is a video, and this program was built without video: install libavformat-dev, libavcodec-dev and libswscale-dev and build it "
                    "again (LIERE_VIDEO).");
}
VideoDecoder::~VideoDecoder() = default;
VideoShape VideoDecoder::shape() { return {}; }
Frames VideoDecoder::frames(const std::vector<int64_t>&) { return {}; }

}  // namespace liere
#endif
