// Bicubic affine maps: all forms of the inner loops give the same bytes, a draw serves all frames, and the kind `increasing` draws as stated.
#include "data/transforms/affine_bicubic.h"

#include <cmath>
#include <cstring>

#include "core/check.h"
#include "core/rng.h"
#include "data/transforms/rand_augment.h"
#include "support/matchers.h"

using namespace liere;
using namespace liere::test;

namespace {

Frames noise(int64_t frames, int64_t height, int64_t width, Rng& rng) {
  Frames result(PixelType::kU8, {frames, height, width, 3});
  for (size_t i = 0; i < result.size_bytes(); ++i) result.u8()[i] = static_cast<uint8_t>(rng.integer(256));
  return result;
}

bool same(const Frames& a, const Frames& b) { return a.shape() == b.shape() && std::memcmp(a.u8(), b.u8(), a.size_bytes()) == 0; }

}  // namespace

TEST_CASE("bicubic maps are the same bytes in every form", "[augment][clip]") {
  Rng rng(3, Purpose::kShuffle, 0);
  for (int i = 0; i < 60; ++i) {
    const int64_t height = 1 + rng.integer(50), width = 1 + rng.integer(50);
    const Frames frames = noise(2, height, width, rng);
    const double v = rng.uniform(-0.4, 0.4);
    const AffineMatrix matrices[] = {{1, v, 0, 0, 1, 0}, {1, 0, 0, v, 1, 0}, {1, 0, 17 * v, 0, 1, 0}, {1, 0, 0, 0, 1, 17 * v}, rotation_matrix(75 * v, height, width)};
    const Box all{0, 0, height, width};
    for (const auto& matrix : matrices) {
      const Frames baseline = affine_bicubic_window(frames, all, height, width, matrix, all, {1, 2, 3}, InstructionSet::kBaseline);
      REQUIRE(same(affine_bicubic_window(frames, all, height, width, matrix, all, {1, 2, 3}, InstructionSet::kAvx2), baseline));
      REQUIRE(same(affine_bicubic_window(frames, all, height, width, matrix, all, {1, 2, 3}, InstructionSet::kAvx512), baseline));
    }
    REQUIRE(same(affine_bicubic_window(frames, all, height, width, {1, 0, 0, 0, 1, 0}, all, {}), frames));
  }
  const Frames frames = noise(1, 8, 8, rng);
  CHECK_THROWS_AS(affine_bicubic_window(frames, {0, 0, 8, 8}, 16, 16, {1, 0, 0, 0, 1, 0}, {0, 0, 16, 16}, {}), DataError);
}

TEST_CASE("increasing RandAugment draws in the stated order, with its probability and magnitudes", "[augment][clip]") {
  const RandAugmentConfig config{RandAugmentKind::kIncreasing, 4, 7, 0.5, 0.5};
  const auto table = rand_augment_operations(RandAugmentKind::kIncreasing);
  int64_t applied = 0;
  for (uint32_t sample = 0; sample < 1000; ++sample) {
    Rng rng(1, Purpose::kAugmentation, 0, sample), expected(1, Purpose::kAugmentation, 0, sample);
    const auto drawn = draw_rand_augment(config, 48, 64, rng);
    size_t next = 0;
    for (int i = 0; i < 4; ++i) {
      const auto& operation = table[static_cast<size_t>(expected.integer(15))];
      if (!expected.coin(0.5)) continue;
      const double level = std::min(10.0, std::max(0.0, 7 + 0.5 * expected.normal()));
      double argument = operation.argument(level, 48, 64);
      if (operation.draw == AugmentOperation::Draw::kSign && expected.coin()) argument = -argument;
      REQUIRE(next < drawn.size());
      REQUIRE(drawn[next].operation == &operation);
      REQUIRE(drawn[next++].arguments.argument == argument);
    }
    REQUIRE(next == drawn.size());
    REQUIRE(rng.bits32() == expected.bits32());
    applied += static_cast<int64_t>(drawn.size());
  }
  CHECK(std::abs(applied - 2000) < 130);  // 4 standard deviations
}

TEST_CASE("one draw of RandAugment serves all frames of a clip", "[augment][clip]") {
  Rng rng(4, Purpose::kShuffle, 0);
  for (uint32_t sample = 0; sample < 30; ++sample) {
    const Frames one = noise(1, 30, 40, rng);
    Frames clip(PixelType::kU8, {3, 30, 40, 3});
    for (int t = 0; t < 3; ++t) std::memcpy(clip.u8() + t * one.size_bytes(), one.u8(), one.size_bytes());
    const auto drawn = draw_rand_augment({RandAugmentKind::kIncreasing, 4, 7, 0.5, 1}, 30, 40, rng);
    const Frames alone = apply_operations(one, drawn), all = apply_operations(clip, drawn);
    for (int t = 0; t < 3; ++t) REQUIRE(std::memcmp(all.u8() + t * one.size_bytes(), alone.u8(), one.size_bytes()) == 0);
  }
}

TEST_CASE("keys of RandAugment that its kind does not have are refused", "[augment][clip][errors]") {
  CHECK_NOTHROW(require_valid(RandAugmentConfig{RandAugmentKind::kIncreasing, 4, 7, 0.5, 0.5}));
  CHECK_THROWS_WITH(require_valid(RandAugmentConfig{RandAugmentKind::kIncreasing, 4, 10.5, 0.5, 0.5}), has("magnitude") && has("0..10"));
  CHECK_THROWS_WITH(require_valid(RandAugmentConfig{RandAugmentKind::kReleased, 2, 14, 0.5, 1}), has("rand_augment.deviation"));
  CHECK_THROWS_WITH(require_valid(RandAugmentConfig{RandAugmentKind::kTorchvision, 2, 9, 0, 0.5}), has("rand_augment.probability"));
}
