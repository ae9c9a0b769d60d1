// Properties of the picture transforms that no golden shows: shapes, inverses, clips, determinism.
#include <cmath>

#include "core/check.h"
#include "core/rng.h"
#include "data/transforms/color.h"
#include "data/transforms/geometry.h"
#include "data/transforms/rand_augment.h"
#include "support/golden_pictures.h"

using namespace liere;
using namespace liere::test;

namespace {

Frames random_frames(FrameShape shape, uint32_t stream) {
  Rng rng(1, Purpose::kAugmentation, stream);
  Frames frames(PixelType::kU8, shape);
  for (size_t i = 0; i < frames.size_bytes(); ++i) frames.u8()[i] = static_cast<uint8_t>(rng.bits32());
  return frames;
}

Frames frame_of(const Frames& clip, int64_t t) {
  const auto& shape = clip.shape();
  Frames frame(PixelType::kU8, {1, shape.height, shape.width, shape.channels});
  std::memcpy(frame.u8(), clip.u8() + t * frame.size_bytes(), frame.size_bytes());
  return frame;
}

constexpr RandAugmentKind kKinds[] = {RandAugmentKind::kReleased, RandAugmentKind::kTorchvision};

}  // namespace

TEST_CASE("mirroring twice is the identity", "[transforms]") {
  for (int64_t width : {1, 2, 5, 32}) {
    const Frames frames = random_frames({2, 3, width, 3}, 1);
    const Frames once = flip_horizontal(frames);
    CHECK(mismatches(flip_horizontal(once), frames) == 0);
    for (int64_t x = 0; x < width; ++x) CHECK(std::memcmp(once.u8() + x * 3, frames.u8() + (width - 1 - x) * 3, 3) == 0);
  }
}

TEST_CASE("a crop pads with zeros", "[transforms]") {
  const Frames frames = random_frames({1, 4, 5, 3}, 2);
  const Frames padded = crop(frames, {-2, -3, 9, 11});
  REQUIRE(padded.shape() == FrameShape{1, 9, 11, 3});
  CHECK(mismatches(crop(padded, {2, 3, 4, 5}), frames) == 0);
  int64_t sum = 0, inside = 0;
  for (size_t i = 0; i < padded.size_bytes(); ++i) sum += padded.u8()[i];
  for (size_t i = 0; i < frames.size_bytes(); ++i) inside += frames.u8()[i];
  CHECK(sum == inside);
  for (const Box& far : {Box{10, 0, 2, 2}, Box{0, 10, 2, 2}, Box{-5, 0, 2, 2}, Box{0, -5, 2, 2}}) {
    const Frames outside = crop(frames, far);
    CHECK(mismatches(outside, Frames(PixelType::kU8, {1, 2, 2, 3})) == 0);
  }
  CHECK_THROWS_AS(crop(frames, {0, 0, 0, 2}), DataError);
}

TEST_CASE("invert twice, solarize at the ends, posterize 8 bits and factor 1 change nothing", "[transforms]") {
  const Frames frames = random_frames({1, 9, 7, 3}, 3);
  CHECK(mismatches(invert(invert(frames)), frames) == 0);
  CHECK(mismatches(solarize(frames, 256), frames) == 0);
  CHECK(mismatches(solarize(frames, 0), invert(frames)) == 0);
  CHECK(mismatches(posterize(frames, 8), frames) == 0);
  CHECK(mismatches(posterize(frames, 0), Frames(PixelType::kU8, frames.shape())) == 0);
  for (auto* adjust : {adjust_brightness, adjust_color, adjust_contrast, adjust_sharpness}) CHECK(mismatches(adjust(frames, 1), frames) == 0);
  CHECK(mismatches(adjust_brightness(frames, 0), Frames(PixelType::kU8, frames.shape())) == 0);
  CHECK(mismatches(rotate(frames, 360), frames) == 0);
  CHECK(mismatches(affine_nearest(frames, {1, 0, 0, 0, 1, 0}), frames) == 0);
}

TEST_CASE("every operation keeps the shape and treats the frames of a clip alike", "[transforms]") {
  for (const auto kind : kKinds)
    for (const auto& operation : rand_augment_operations(kind))
      for (const auto& shape : {FrameShape{3, 8, 13, 3}, FrameShape{2, 1, 1, 3}, FrameShape{2, 2, 40, 3}})
        for (const double sign : {1.0, -1.0}) {
          const Frames clip = random_frames(shape, 4);
          OperationArguments arguments{operation.argument(30, shape.height, shape.width)};
          if (operation.draw == AugmentOperation::Draw::kSign) arguments.argument *= sign;
          arguments.centre_x = sign > 0 ? static_cast<double>(shape.width) : 1.0;
          arguments.centre_y = sign > 0 ? 1.5 : static_cast<double>(shape.height);
          const Frames out = operation.apply(clip, arguments);
          INFO(operation.name << " " << shape.height << "x" << shape.width);
          REQUIRE(out.shape() == shape);
          for (int64_t t = 0; t < shape.frames; ++t) CHECK(mismatches(frame_of(out, t), operation.apply(frame_of(clip, t), arguments)) == 0);
        }
}

TEST_CASE("the tables hold the published operations", "[transforms]") {
  CHECK(rand_augment_operations(RandAugmentKind::kReleased).size() == 16);
  CHECK(rand_augment_operations(RandAugmentKind::kTorchvision).size() == 14);
  CHECK(rand_augment_operations(RandAugmentKind::kNone).empty());
}

TEST_CASE("RandAugment draws every operation, both signs, and the same bytes from the same stream", "[transforms]") {
  const Frames frames = random_frames({1, 32, 32, 3}, 5);
  for (const auto kind : kKinds) {
    const RandAugmentConfig config{kind, 2, 14};
    const auto table = rand_augment_operations(kind);
    std::vector<int> count(table.size()), negative(table.size());
    constexpr int kDraws = 4000;
    for (uint32_t sample = 0; sample < kDraws; ++sample) {
      Rng first(7, Purpose::kAugmentation, 0, sample), second = first;
      const auto drawn = draw_rand_augment(config, 32, 32, first);
      REQUIRE(drawn.size() == 2);
      for (const auto& [operation, arguments] : drawn) {
        ++count[operation - table.data()];
        negative[operation - table.data()] += arguments.argument < 0;
        if (operation->draw != AugmentOperation::Draw::kCentre) continue;
        CHECK((arguments.centre_x > 1 && arguments.centre_x <= 32 && arguments.centre_y > 1 && arguments.centre_y <= 32));
      }
      if (sample % 40 == 0)
        CHECK(mismatches(apply_operations(frames, drawn), apply_operations(frames, draw_rand_augment(config, 32, 32, second))) == 0);
    }
    for (size_t i = 0; i < table.size(); ++i) {
      const double expected = 2.0 * kDraws / static_cast<double>(table.size());
      INFO(table[i].name);
      CHECK(std::abs(count[i] - expected) < 5 * std::sqrt(expected));
      if (table[i].draw == AugmentOperation::Draw::kSign)
        CHECK(std::abs(negative[i] - count[i] / 2.0) < 5 * std::sqrt(count[i]) / 2);
      else
        CHECK(negative[i] == 0);
    }
  }
}

TEST_CASE("operations refuse what is not 8-bit RGB", "[transforms]") {
  CHECK_THROWS_AS(invert(Frames(PixelType::kU8, {1, 4, 4, 1})), DataError);
  CHECK_THROWS_AS(rotate(Frames(PixelType::kI16, {1, 4, 4, 3}), 5), DataError);
  CHECK_THROWS_AS(posterize(Frames(PixelType::kU8, {1, 4, 4, 3}), 9), DataError);
  CHECK(flip_horizontal(Frames(PixelType::kU8, {1, 4, 4, 1})).shape().channels == 1);
}
