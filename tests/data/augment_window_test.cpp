// A window of an augmented picture from the part that it reads equals the window cut from the whole.
#include <cstring>

#include "core/rng.h"
#include "data/transforms/geometry.h"
#include "data/transforms/rand_augment.h"
#include "support/catch.h"

using namespace liere;

namespace {

bool same(const Frames& a, const Frames& b) { return a.shape() == b.shape() && std::memcmp(a.u8(), b.u8(), a.size_bytes()) == 0; }

Frames noise(int64_t height, int64_t width, Rng& rng) {
  Frames frames(PixelType::kU8, {1 + rng.integer(2), height, width, 3});
  for (size_t i = 0; i < frames.size_bytes(); ++i) frames.u8()[i] = static_cast<uint8_t>(40 + rng.integer(170));
  return frames;
}

Box random_box(int64_t height, int64_t width, Rng& rng) {
  const int64_t h = 1 + rng.integer(height), w = 1 + rng.integer(width);
  return {rng.integer(height - h + 1), rng.integer(width - w + 1), h, w};
}

}  // namespace

TEST_CASE("a window of an augmented picture needs no more than it reads", "[augment]") {
  Rng rng(1, Purpose::kShuffle, 0);
  int64_t read = 0, all = 0;
  for (const auto kind : {RandAugmentKind::kReleased, RandAugmentKind::kTorchvision, RandAugmentKind::kIncreasing})
    for (int i = 0; i < 1500; ++i) {
      const int64_t height = 1 + rng.integer(i % 7 == 0 ? 4 : 60), width = 1 + rng.integer(i % 7 == 1 ? 4 : 60);
      RandAugmentConfig config{kind, rng.integer(4), static_cast<double>(rng.integer(31))};
      if (kind == RandAugmentKind::kIncreasing) config.magnitude = static_cast<double>(rng.integer(11)), config.deviation = 0.5;
      const Frames frames = noise(height, width, rng);
      const auto operations = draw_rand_augment(config, height, width, rng);
      const Box window = random_box(height, width, rng), source = operations_source_box(operations, height, width, window);
      std::string names;
      for (const auto& drawn : operations) names += std::string(drawn.operation->name) + "(" + std::to_string(drawn.arguments.argument) + ") ";
      INFO("case " << i << ": " << height << "x" << width << ", " << names);
      const Frames expected = crop(apply_operations(frames, operations), window);
      REQUIRE(same(apply_operations_in_window(crop(frames, source), source, height, width, operations, window), expected));
      REQUIRE(same(apply_operations_in_window(frames, {0, 0, height, width}, height, width, operations, window), expected));  // more than is read
      read += source.height * source.width;
      all += height * width;
    }
  CHECK(read < all * 3 / 4);  // else nothing is gained
}
