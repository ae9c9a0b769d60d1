// The picture recipe: normalisation tables, order of the steps, determinism, speed (hidden case "[.benchmark]").
#include "data/recipe_picture.h"

#include <algorithm>
#include <ctime>

#include "core/check.h"
#include "support/matchers.h"
#include "data/transforms/geometry.h"
#include "data/transforms/rand_augment.h"
#include "data/transforms/resize.h"
#include "support/golden_pictures.h"

using namespace liere;
using namespace liere::test;

namespace {

Rng stream(uint32_t sample) { return Rng(3, Purpose::kAugmentation, 0, sample, 0); }

Frames random_picture(int64_t height, int64_t width) {
  Rng rng = stream(1000000);
  Frames frames(PixelType::kU8, {1, height, width, 3});
  for (size_t i = 0; i < frames.size_bytes(); ++i) frames.u8()[i] = static_cast<uint8_t>(1 + rng.integer(255));  // no 0: padding stands out
  return frames;
}

SourceInfo info_of(const Frames& frames) { return {frames.shape(), 0, "picture"}; }

Frames run(const Recipe& recipe, const Frames& frames, uint32_t sample) {
  const Plan plan = recipe.plan(info_of(frames), stream(sample), 0);
  CHECK(plan.request.frames.empty());
  CHECK(!plan.request.box);
  return plan.finish(frames);
}

AugmentConfig cifar_recipe() {
  AugmentConfig config;
  config.rand_augment = {RandAugmentKind::kReleased, 2, 14};
  config.crop_padding = 4;
  config.flip = 0.5;
  return config;
}

}  // namespace

TEST_CASE("normalisation tables parity", "[parity][recipe]") {
  const auto file = open_golden("augment_crop_flip.safetensors");
  if (!file) return;
  Frames ramp(PixelType::kU8, {1, 1, 256, 3});
  for (int i = 0; i < 768; ++i) ramp.u8()[i] = static_cast<uint8_t>(i / 3);
  for (const auto& [name, kind] : {std::pair{"lut.cifar", NormalizationKind::kCifar},
                                   {"lut.cifar100_true", NormalizationKind::kCifar100},
                                   {"lut.imagenet", NormalizationKind::kImagenet}}) {
    std::vector<float> found(768);
    normalize(ramp, normalization_of(kind), found.data());
    INFO(name);
    CHECK(std::memcmp(found.data(), values<float>(*file, name).data(), 768 * sizeof(float)) == 0);
  }
}

TEST_CASE("half normalisation maps 0..255 to -1..1", "[recipe]") {
  const auto half = normalization_of(NormalizationKind::kHalf);
  Frames ends(PixelType::kU8, {1, 1, 2, 3});
  std::fill(ends.u8() + 3, ends.u8() + 6, uint8_t{255});
  std::vector<float> found(6);
  normalize(ends, half, found.data());
  CHECK(found == std::vector<float>{-1, 1, -1, 1, -1, 1});
}

TEST_CASE("evaluation leaves a picture of the right size alone and resizes others", "[recipe]") {
  AugmentConfig config = cifar_recipe();
  config.resize = ResizeFilter::kBicubic;
  const auto recipe = make_eval_recipe(config, 32, 32);
  CHECK(recipe->output_shape() == FrameShape{1, 32, 32, 3});
  CHECK(recipe->views() == 1);
  const Frames same = random_picture(32, 32), other = random_picture(20, 45);
  CHECK(mismatches(run(*recipe, same, 0), same) == 0);
  CHECK(mismatches(run(*recipe, other, 0), resize(other, 32, 32, ResizeFilter::kBicubic)) == 0);
}

TEST_CASE("training follows the stated order of steps and draws", "[recipe]") {
  for (const auto& [height, width] : {std::pair<int64_t, int64_t>{32, 32}, {40, 24}}) {
    const Frames in = random_picture(height, width);
    const auto config = cifar_recipe();
    const auto recipe = make_train_recipe(config, 32, 32);
    int flips = 0;
    for (uint32_t sample = 0; sample < 200; ++sample) {
      Rng rng = stream(sample);
      Frames expected = apply_operations(in, draw_rand_augment(config.rand_augment, height, width, rng));
      if (height != 32) expected = resize(expected, 32, 32, ResizeFilter::kBilinear);
      const int64_t top = rng.integer(9) - 4, left = rng.integer(9) - 4;
      expected = crop(expected, {top, left, 32, 32});
      const bool flip = rng.coin(0.5);
      flips += flip;
      if (flip) expected = flip_horizontal(std::move(expected));
      const Frames out = run(*recipe, in, sample);
      REQUIRE(out.shape() == recipe->output_shape());
      REQUIRE(mismatches(out, expected) == 0);
      REQUIRE(mismatches(run(*recipe, in, sample), out) == 0);
    }
    CHECK((flips > 70 && flips < 130));
  }
}

TEST_CASE("training without augmentation is evaluation", "[recipe]") {
  const AugmentConfig nothing;
  const Frames in = random_picture(32, 32);
  CHECK(mismatches(run(*make_train_recipe(nothing, 32, 32), in, 0), in) == 0);
  CHECK(mismatches(run(*make_train_recipe(nothing, 16, 24), in, 0), run(*make_eval_recipe(nothing, 16, 24), in, 0)) == 0);
}

TEST_CASE("the random crop reaches every offset", "[recipe]") {
  AugmentConfig config;
  config.crop_padding = 2;
  const auto recipe = make_train_recipe(config, 6, 6);
  const Frames in = random_picture(6, 6);
  std::vector<int> seen(25);
  for (uint32_t sample = 0; sample < 1000; ++sample) {
    const Frames out = run(*recipe, in, sample);
    for (int offset = 0; offset < 25; ++offset) seen[offset] += mismatches(out, crop(in, {offset / 5 - 2, offset % 5 - 2, 6, 6})) == 0;
  }
  for (int n : seen) CHECK((n > 10 && n < 90));  // 40 expected
}

TEST_CASE("recipes name what they cannot use", "[recipe]") {
  auto config = cifar_recipe();
  const auto recipe = make_train_recipe(config, 32, 32);
  CHECK_THROWS_AS(recipe->plan({{8, 32, 32, 3}, 0, "clip 3"}, stream(0), 0), DataError);
  CHECK_THROWS_WITH(recipe->plan({{1, 32, 32, 1}, 0, "scan 5"}, stream(0), 0), has("scan 5"));
  const Plan plan = recipe->plan({{1, 32, 32, 3}, 0, "picture 9"}, stream(0), 0);
  CHECK_THROWS_WITH(plan.finish(random_picture(32, 31)), has("picture 9"));
  config.rand_augment = {RandAugmentKind::kTorchvision, 2, 9.5};
  CHECK_THROWS_AS(make_train_recipe(config, 32, 32), ConfigError);
  CHECK_THROWS_AS(make_eval_recipe(config, 0, 32), ConfigError);
}

TEST_CASE("time of the CIFAR recipe", "[.benchmark]") {
  // Processor time: other load on the machine does not count.
  const auto microseconds = [](std::clock_t start, int n) { return 1e6 * static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC / n; };
  const Frames in = random_picture(32, 32);
  const auto recipe = make_train_recipe(cifar_recipe(), 32, 32);
  std::vector<float> out(3 * 32 * 32);
  constexpr uint32_t kPictures = 20000;
  auto start = std::clock();
  for (uint32_t sample = 0; sample < kPictures; ++sample)
    normalize(recipe->plan(info_of(in), stream(sample), 0).finish(in), recipe->normalization(), out.data());
  const double whole = microseconds(start, kPictures);
  std::printf("RandAugment(2, 14), crop, flip, normalise of 32x32: %.1f us\n", whole);
  for (const auto& operation : rand_augment_operations(RandAugmentKind::kReleased)) {
    const OperationArguments arguments{operation.argument(14, 32, 32), 16, 16};
    start = std::clock();
    for (int i = 0; i < 2000; ++i) out[0] += operation.apply(in, arguments).u8()[0];
    std::printf("  %-14s %.2f us\n", std::string(operation.name).c_str(), microseconds(start, 2000));
  }
  CHECK(whole < 50);
}
