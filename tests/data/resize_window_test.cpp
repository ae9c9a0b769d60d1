// The window of a resize is the resize's window, whatever of the source is there, and its forms for larger processors give the plain form's bytes.
#include <cstring>

#include "core/instruction_set.h"
#include "core/rng.h"
#include "data/transforms/geometry.h"
#include "data/transforms/resize.h"
#include "data/transforms/resize_passes.h"
#include "support/catch.h"
#include "support/matchers.h"

using namespace liere;
using test::has;

namespace {

Frames noise(FrameShape shape, Rng& rng) {
  Frames frames(PixelType::kU8, shape);
  // Many black and white pixels: the largest sums, and bicubic results beyond both ends.
  for (size_t i = 0; i < frames.size_bytes(); ++i) frames.u8()[i] = static_cast<uint8_t>(std::clamp<int64_t>(rng.integer(512) - 128, 0, 255));
  return frames;
}

bool same(const Frames& a, const Frames& b) { return a.shape() == b.shape() && std::memcmp(a.u8(), b.u8(), a.size_bytes()) == 0; }

Box random_box(int64_t height, int64_t width, Rng& rng) {
  const int64_t h = 1 + rng.integer(height), w = 1 + rng.integer(width);
  return {rng.integer(height - h + 1), rng.integer(width - w + 1), h, w};
}

/// `inner` and a random rest of height x width around it.
Box random_cover(const Box& inner, int64_t height, int64_t width, Rng& rng) {
  const int64_t top = rng.integer(inner.top + 1), left = rng.integer(inner.left + 1);
  const int64_t bottom = inner.top + inner.height + rng.integer(height - inner.top - inner.height + 1);
  const int64_t right = inner.left + inner.width + rng.integer(width - inner.left - inner.width + 1);
  return {top, left, bottom - top, right - left};
}

}  // namespace

TEST_CASE("a window of a resize equals the window cut from the whole", "[resize]") {
  Rng rng(5, Purpose::kShuffle, 0);
  for (int i = 0; i < 400; ++i) {
    const PictureSize full{1 + rng.integer(60), 1 + rng.integer(60)};
    const PictureSize resized{rng.integer(4) == 0 ? full.height : 1 + rng.integer(60), rng.integer(4) == 0 ? full.width : 1 + rng.integer(60)};
    const auto filter = rng.coin() ? ResizeFilter::kBilinear : ResizeFilter::kBicubic;
    const Frames frames = noise({1 + rng.integer(2), full.height, full.width, 1 + rng.integer(4)}, rng);
    const Box window = random_box(resized.height, resized.width, rng);
    const Box needed = resize_source_box(full, resized, window, filter);
    const Box source = random_cover(needed, full.height, full.width, rng);
    INFO("case " << i << ": " << full.height << "x" << full.width << " to " << resized.height << "x" << resized.width);
    REQUIRE(same(resize_window(crop(frames, source), source, full, resized, window, filter),
                 crop(resize(frames, resized.height, resized.width, filter), window)));
  }
}

TEST_CASE("the source box of a window is what changes it", "[resize]") {
  Rng rng(6, Purpose::kShuffle, 0);
  const PictureSize full{40, 53}, resized{16, 61};
  const Frames frames = noise({1, 40, 53, 3}, rng);
  for (const auto filter : {ResizeFilter::kBilinear, ResizeFilter::kBicubic}) {
    const Box window{5, 20, 4, 9}, needed = resize_source_box(full, resized, window, filter);
    Frames changed = noise({1, 40, 53, 3}, rng);  // everywhere but in the box
    for (int64_t y = 0; y < needed.height; ++y)
      std::memcpy(changed.u8() + ((needed.top + y) * 53 + needed.left) * 3, frames.u8() + ((needed.top + y) * 53 + needed.left) * 3,
                  needed.width * 3);
    CHECK(same(crop(resize(changed, 16, 61, filter), window), crop(resize(frames, 16, 61, filter), window)));
  }
}

TEST_CASE("windows that are not inside the picture are refused", "[resize]") {
  CHECK_THROWS_WITH(resize_source_box({10, 10}, {20, 20}, {15, 0, 6, 4}, ResizeFilter::kBilinear), has("inside the resized picture of 20x20"));
  CHECK_THROWS_WITH(resize_source_box({0, 10}, {20, 20}, {0, 0, 6, 4}, ResizeFilter::kBilinear), has("at least 1x1"));
  const Frames frames(PixelType::kU8, {1, 5, 10, 3});
  CHECK_THROWS_WITH(resize_window(frames, {0, 0, 5, 10}, {10, 10}, {20, 20}, {0, 0, 20, 20}, ResizeFilter::kBilinear), has("cover 10x10 at (0, 0)"));
  CHECK_THROWS_WITH(resize_window(frames, {0, 0, 5, 9}, {10, 10}, {20, 20}, {0, 0, 2, 20}, ResizeFilter::kBilinear), has("said to be 5x9"));
}

TEST_CASE("the passes of the resize agree between instruction sets", "[resize]") {
  if (instruction_set() < InstructionSet::kAvx2) {
    WARN("skipped: this processor has no AVX2");
    return;
  }
  Rng rng(7, Purpose::kShuffle, 0);
  for (int i = 0; i < 200; ++i) {
    const int64_t inputs = 1 + rng.integer(40), taps = 1 + rng.integer(std::min<int64_t>(inputs, 9)), outputs = 1 + rng.integer(40),
                  lines = 1 + rng.integer(5);
    std::vector<ResizeWeights::Span> spans(outputs);
    std::vector<int32_t> weights(outputs * taps);
    const int64_t groups = (taps + 3) / 4;
    std::vector<int16_t> parts(outputs * groups * 32);
    for (int64_t x = 0; x < outputs; ++x) {
      spans[x] = {x * (inputs - taps) / outputs, taps - (x + 1 == outputs ? rng.integer(taps) : 0)};
      for (int64_t k = 0; k < spans[x].count; ++k) {
        const auto weight = weights[x * taps + k] = static_cast<int32_t>(rng.integer((1 << 23) + 1) - (1 << 22)) / static_cast<int32_t>(taps);
        for (int64_t channel = 0; channel < 4; ++channel) {
          int16_t* const part = parts.data() + (x * groups + k / 4) * 32 + k % 4 / 2 * 8 + channel * 2 + k % 2;
          part[0] = static_cast<int16_t>(weight & 0x7fff);
          part[16] = static_cast<int16_t>(weight >> 15);
        }
      }
    }
    const ResizeWeights table{outputs, taps, spans.data(), weights.data(), groups, parts.data()};
    const Frames across = noise({1, lines, inputs, 3}, rng), along = noise({1, inputs, lines * 7, 1}, rng);
    const ResizeInput rows_in{across.u8(), inputs * 3, across.u8() + across.size_bytes()},
        columns_in{along.u8(), lines * 7, along.u8() + along.size_bytes()};
    std::vector<uint8_t> plain(lines * outputs * 7), vectors(plain.size());
    resize_baseline::kPasses.columns(rows_in, lines, 3, table, plain.data());
    resize_avx2::kPasses.columns(rows_in, lines, 3, table, vectors.data());
    REQUIRE(plain == vectors);
    resize_baseline::kPasses.rows(columns_in, lines * 7, table, plain.data());
    resize_avx2::kPasses.rows(columns_in, lines * 7, table, vectors.data());
    REQUIRE(plain == vectors);
  }
}
