// Pictures: whatever the bytes, a picture of the size that its header says or a DataError; a box of what decodes is the box of the whole.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "core/check.h"
#include "data/decode/image.h"
#include "data/transforms/geometry.h"

namespace {

void require(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "fuzz: a picture that was accepted breaks a rule: %s\n", what);
  std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace liere;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  try {
    const auto info = read_image_info(bytes, "fuzz");
    if (info.height * info.width > 1 << 20) return 0;  // correct, but slow
    const Frames whole = decode_image(bytes, "fuzz");
    require(whole.shape() == FrameShape{1, info.height, info.width, 3}, "its size is not what the header says");
    // A box that the bytes choose.
    uint64_t draw = size * 0x9e3779b97f4a7c15u + data[size / 2];
    const auto below = [&](int64_t n) { return static_cast<int64_t>((draw = draw * 6364136223846793005u + 1442695040888963407u) >> 33) % n; };
    const int64_t height = 1 + below(info.height), width = 1 + below(info.width);
    const Box box{below(info.height - height + 1), below(info.width - width + 1), height, width};
    const Frames part = decode_image(bytes, "fuzz", box), expected = crop(whole, box);
    require(std::memcmp(part.u8(), expected.u8(), expected.size_bytes()) == 0, "a box differs from the crop of the whole");
  } catch (const DataError&) {
  }
  return 0;
}
