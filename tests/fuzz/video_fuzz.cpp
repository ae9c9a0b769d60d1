// Videos: whatever the bytes, frames of one size, as many as were counted and twice the same, or a DataError; and no more time than the limit allows.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "core/check.h"
#include "data/decode/video.h"

namespace {

void require(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "fuzz: a video that was accepted breaks a rule: %s\n", what);
  std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace liere;
  std::string bytes(reinterpret_cast<const char*>(data), size);
  // An AVI whose header states another size than it has is refused at once: every other one gets its own, so that what lies behind that check is
  // reached.
  if (size % 2 == 0 && size > 12 && bytes.starts_with("RIFF"))
    for (size_t i = 0; i < 4; ++i) bytes[4 + i] = static_cast<char>((size - 8) >> (8 * i));
  const VideoLimits limits{.max_pixels = 1 << 18, .max_frames = 200, .seconds = 5, .held_bytes = 1 << 20};
  try {
    VideoDecoder decoder(bytes, "fuzz", limits);
    const VideoShape shape = decoder.shape();
    require(shape.frames >= 1 && shape.frames <= limits.max_frames && shape.height * shape.width <= limits.max_pixels,
            "its shape is beyond the limits");
    const std::vector<int64_t> indices = {shape.frames - 1, 0, shape.frames / 2};
    const Frames first = decoder.frames(indices);
    require(first.shape() == FrameShape{3, shape.height, shape.width, 3}, "frames have another size than the video");
    const Frames second = VideoDecoder(bytes, "fuzz", limits, shape.frames).frames(indices);
    require(std::memcmp(first.u8(), second.u8(), first.size_bytes()) == 0, "two passes give other pixels");
  } catch (const DataError&) {
  }
  return 0;
}
