// RandomResizedCrop's arithmetic against torchvision (parity), its draws, and the recipes that crop: order of steps, what is decoded, evaluation's
// views.
#include "data/transforms/random_resized_crop.h"

#include <algorithm>
#include <cmath>

#include "core/check.h"
#include "data/recipe_picture.h"
#include "data/transforms/color_jitter.h"
#include "data/transforms/erasing.h"
#include "data/transforms/geometry.h"
#include "data/transforms/rand_augment.h"
#include "data/transforms/three_augment.h"
#include "support/golden_pictures.h"
#include "support/matchers.h"

using namespace liere;
using namespace liere::test;

namespace {

Rng stream(uint32_t sample) { return Rng(8, Purpose::kAugmentation, 0, sample, 0); }

Frames noise(int64_t height, int64_t width) {
  Frames frames(PixelType::kU8, {1, height, width, 3});
  Rng rng(9, Purpose::kArrows);
  for (size_t i = 0; i < frames.size_bytes(); ++i) frames.u8()[i] = static_cast<uint8_t>(1 + rng.integer(255));  // no 0: padding stands out
  return frames;
}

/// What a source would do: decode the request's box, then finish.
Frames run(const Plan& plan, const Frames& picture) { return plan.finish(plan.request.box ? crop(picture, *plan.request.box) : picture); }
Frames run(const Recipe& recipe, const Frames& picture, uint32_t sample) {
  return run(recipe.plan({picture.shape(), 0, "picture"}, stream(sample), 0), picture);
}

AugmentConfig imagenet_recipe(AugmentOrder order) {
  AugmentConfig config;
  config.rand_augment = {RandAugmentKind::kReleased, 2, 14};
  config.random_resized_crop.enabled = true;
  config.order = order;
  config.flip = 0.5;
  return config;
}

}  // namespace

TEST_CASE("sizes of RandomResizedCrop parity", "[parity][recipe]") {
  const auto file = open_golden("augment_resize.safetensors");
  if (!file) return;
  const auto params = values<double>(*file, "rrc.params");
  const auto wh = values<int32_t>(*file, "rrc.wh");
  REQUIRE(params.size() == 2 * wh.size());
  REQUIRE(!wh.empty());
  for (size_t i = 0; i < wh.size() / 2; ++i) {
    const auto size =
        resized_crop_size({static_cast<int64_t>(params[4 * i]), static_cast<int64_t>(params[4 * i + 1])}, params[4 * i + 2], params[4 * i + 3]);
    CHECK(size == PictureSize{wh[2 * i + 1], wh[2 * i]});
  }
}

TEST_CASE("RandomResizedCrop draws boxes inside the picture, of the stated areas and aspects", "[recipe]") {
  const RandomResizedCropConfig config;
  double area = 0;
  int wide = 0, top_edge = 0, bottom_edge = 0;
  constexpr int kSamples = 4000;
  for (uint32_t sample = 0; sample < kSamples; ++sample) {
    Rng rng = stream(sample);
    const Box box = draw_random_resized_crop(config, {375, 500}, rng);
    REQUIRE((box.top >= 0 && box.left >= 0 && box.height > 0 && box.width > 0 && box.top + box.height <= 375 && box.left + box.width <= 500));
    const double aspect = static_cast<double>(box.width) / static_cast<double>(box.height),
                 share = static_cast<double>(box.width * box.height) / (375.0 * 500);
    REQUIRE((aspect > 0.74 && aspect < 1.35 && share > 0.079 && share <= 1));
    area += share;
    wide += aspect > 1;
    top_edge += box.top == 0;
    bottom_edge += box.top + box.height == 375;
  }
  // torchvision 0.26 on 20,000 draws for this picture: mean share 0.432, wide 57.9 %, at the upper edge 3.2 %, at the lower edge 3.2 %; here within four standard deviations.
  INFO("mean share " << area / kSamples << ", wide " << wide << ", edges " << top_edge << ", " << bottom_edge);
  CHECK(std::abs(area / kSamples - 0.432) < 0.016);
  CHECK(std::abs(wide - 2316) < 125);
  CHECK((std::abs(top_edge - 127) < 45 && std::abs(bottom_edge - 127) < 45));
}

TEST_CASE("RandomResizedCrop falls back to the centred box of the nearest aspect", "[recipe]") {
  const RandomResizedCropConfig config;
  Rng rng = stream(0), expected = stream(0);
  CHECK(draw_random_resized_crop(config, {1000, 10}, rng) == Box{493, 0, 13, 10});
  for (int i = 0; i < 20; ++i) expected.uniform();  // ten tries of two
  CHECK(rng.bits32() == expected.bits32());
  CHECK(draw_random_resized_crop(config, {10, 1000}, rng) == Box{0, 493, 10, 13});
  CHECK(draw_random_resized_crop(config, {1, 1}, rng) == Box{0, 0, 1, 1});
}

TEST_CASE("the released order changes the whole picture, then crops, and crop first decodes the crop alone", "[recipe]") {
  const Frames in = noise(50, 71);
  const RandomResizedCropConfig crop_config;
  for (const auto order : {AugmentOrder::kReleased, AugmentOrder::kCropFirst}) {
    auto config = imagenet_recipe(order);
    config.three_augment = true;
    config.color_jitter = {.brightness = 0.3, .contrast = 0.3, .saturation = 0.3, .hue = 0.1};
    const auto recipe = make_train_recipe(config, 32, 24);
    for (uint32_t sample = 0; sample < 100; ++sample) {
      Rng rng = stream(sample);
      Box box;
      if (order == AugmentOrder::kCropFirst) box = draw_random_resized_crop(crop_config, {50, 71}, rng);
      const auto operations = order == AugmentOrder::kReleased ? draw_rand_augment(config.rand_augment, 50, 71, rng)
                                                               : draw_rand_augment(config.rand_augment, 32, 24, rng);
      const auto three = draw_three_augment(rng);
      const auto jitter = draw_color_jitter(config.color_jitter, rng);
      if (order == AugmentOrder::kReleased) box = draw_random_resized_crop(crop_config, {50, 71}, rng);
      const auto colours = [&](Frames frames) {
        return apply_color_jitter(apply_three_augment(apply_operations(std::move(frames), operations), three), jitter);
      };
      Frames expected = order == AugmentOrder::kReleased ? resize(crop(colours(in), box), 32, 24, ResizeFilter::kBilinear)
                                                         : colours(resize(crop(in, box), 32, 24, ResizeFilter::kBilinear));
      if (rng.coin(0.5)) expected = flip_horizontal(std::move(expected));
      const Plan plan = recipe->plan({in.shape(), 0, "picture"}, stream(sample), 0);
      CHECK(plan.request.box.has_value() == (order == AugmentOrder::kCropFirst && box != Box{0, 0, 50, 71}));
      if (plan.request.box) CHECK(*plan.request.box == box);
      REQUIRE(mismatches(run(plan, in), expected) == 0);
    }
  }
}

TEST_CASE("without colour steps both orders decode the crop alone and agree", "[recipe]") {
  const Frames in = noise(40, 60);
  auto released = imagenet_recipe(AugmentOrder::kReleased);
  released.rand_augment = {};
  auto crop_first = released;
  crop_first.order = AugmentOrder::kCropFirst;
  const auto a = make_train_recipe(released, 16, 16), b = make_train_recipe(crop_first, 16, 16);
  int boxes = 0;
  for (uint32_t sample = 0; sample < 50; ++sample) {
    const Plan plan = a->plan({in.shape(), 0, "picture"}, stream(sample), 0);
    boxes += plan.request.box.has_value();
    REQUIRE(mismatches(run(plan, in), run(*b, in, sample)) == 0);
  }
  CHECK(boxes > 45);
}

TEST_CASE("crop first with a padded crop", "[recipe]") {
  const Frames in = noise(32, 32);
  AugmentConfig config;
  config.rand_augment = {RandAugmentKind::kReleased, 2, 14};
  config.crop_padding = 4;
  config.order = AugmentOrder::kCropFirst;
  const auto recipe = make_train_recipe(config, 32, 32);
  for (uint32_t sample = 0; sample < 30; ++sample) {
    Rng rng = stream(sample);
    const int64_t top = rng.integer(9) - 4, left = rng.integer(9) - 4;
    const Frames expected = apply_operations(crop(in, {top, left, 32, 32}), draw_rand_augment(config.rand_augment, 32, 32, rng));
    REQUIRE(mismatches(run(*recipe, in, sample), expected) == 0);
  }
}

TEST_CASE("evaluation's centre crop equals resizing the whole picture, decoding only what it reads", "[recipe]") {
  for (const auto filter : {ResizeFilter::kBilinear, ResizeFilter::kBicubic})
    for (const auto& [height, width] : {std::pair<int64_t, int64_t>{90, 130}, {130, 90}, {73, 73}, {64, 200}, {30, 41}, {5, 300}}) {
      AugmentConfig config;
      config.resize = filter;
      config.evaluation.kind = EvaluationView::kCentreCrop;
      const auto recipe = make_eval_recipe(config, 56, 56);
      const Frames in = noise(height, width);
      const auto size = height == 64 ? PictureSize{64, 200} : size_with_short_side({height, width}, 64);  // 56 / 0.875
      const Frames expected = crop(resize(in, size.height, size.width, filter), centre_crop_box(size, {56, 56}));
      const Plan plan = recipe->plan({in.shape(), 0, "picture"}, stream(0), 0);
      INFO(height << "x" << width);
      CHECK(mismatches(run(plan, in), expected) == 0);
      if (width == 2 * height || height < 10) CHECK(plan.request.box->width < width / 2);
    }
}

TEST_CASE("evaluation's centre crop at the usual sizes parity", "[parity][recipe]") {
  const auto file = open_golden("augment_resize.safetensors");
  if (!file) return;
  Comparison comparison("augment_resize (evaluation recipe)");
  AugmentConfig config;
  config.evaluation.kind = EvaluationView::kCentreCrop;
  for (const auto& [name, filter] : {std::pair{"bilinear", ResizeFilter::kBilinear}, {"bicubic", ResizeFilter::kBicubic}})
    for (const std::string source : {"a", "b", "c"}) {
      config.resize = filter;
      const Frames out = run(*make_eval_recipe(config, 224, 224), picture(*file, "in." + source), 0);
      const std::string key = std::string("short256.") + name + "." + source + ".crop224";
      comparison.add(key, crop(out, {80, 80, 64, 64}), picture(*file, key + ".mid64"));
      comparison.add_digest(key, out, values<uint8_t>(*file, key + ".sha256"));
    }
  comparison.finish();
}

TEST_CASE("an oblong input of the centre crop is padded where the resized picture is too short", "[recipe]") {
  AugmentConfig config;
  config.evaluation = {EvaluationView::kCentreCrop, 1.0};
  const Frames in = noise(40, 40);
  const Frames expected = crop(resize(in, 20, 20, ResizeFilter::kBilinear), {0, -10, 20, 40});
  CHECK(mismatches(run(*make_eval_recipe(config, 20, 40), in, 0), expected) == 0);
}

TEST_CASE("the release's evaluation cuts the centre without a resize", "[recipe]") {
  AugmentConfig config;
  config.evaluation.kind = EvaluationView::kReleased;
  const auto recipe = make_eval_recipe(config, 24, 24);
  for (const auto& [height, width] : {std::pair<int64_t, int64_t>{24, 24}, {40, 51}, {17, 40}, {11, 8}, {27, 25}}) {
    const Frames in = noise(height, width);
    const Plan plan = recipe->plan({in.shape(), 0, "picture"}, stream(0), 0);
    INFO(height << "x" << width);
    CHECK(mismatches(run(plan, in), crop(in, centre_crop_box({height, width}, {24, 24}))) == 0);
    CHECK(plan.request.box.has_value() == (height > 24 || width > 24));
  }
}

TEST_CASE("a training plan erases after normalisation, with the draws after all others", "[recipe]") {
  auto config = imagenet_recipe(AugmentOrder::kReleased);
  const Frames in = noise(40, 60);
  const auto plain = make_train_recipe(config, 16, 20);
  config.erasing = 0.5;
  const auto recipe = make_train_recipe(config, 16, 20);
  int erased = 0;
  for (uint32_t sample = 0; sample < 200; ++sample) {
    const Plan plan = recipe->plan({in.shape(), 0, "picture"}, stream(sample), 0);
    const Frames frames = run(plan, in);
    REQUIRE(mismatches(frames, run(*plain, in, sample)) == 0);
    if (!plan.finish_normalized) continue;
    ++erased;
    std::vector<float> values(frames.shape().elements()), before;
    normalize(frames, recipe->normalization(), values.data());
    before = values;
    plan.finish_normalized(values.data());
    int64_t changed = 0;
    for (size_t i = 0; i < values.size(); ++i) changed += values[i] != before[i];
    REQUIRE((changed > 0 && changed < static_cast<int64_t>(values.size())));
  }
  CHECK((erased > 70 && erased < 130));
}

TEST_CASE("crops that cannot be are refused", "[recipe]") {
  auto config = imagenet_recipe(AugmentOrder::kReleased);
  config.random_resized_crop.scale = {0.5};
  CHECK_THROWS_WITH(make_train_recipe(config, 32, 32), has("augment.random_resized_crop.scale"));
  config.random_resized_crop = {true, {0.5, 0.4}, {1, 1}};
  CHECK_THROWS_AS(make_train_recipe(config, 32, 32), ConfigError);
  config.random_resized_crop = {true, {0.5, 1}, {0, 1}};
  CHECK_THROWS_WITH(make_train_recipe(config, 32, 32), has("augment.random_resized_crop.ratio"));
  config.random_resized_crop = {true, {0.5, 1}, {1, 1}};
  CHECK_NOTHROW(make_train_recipe(config, 32, 32));
  config.crop_padding = 4;
  CHECK_THROWS_WITH(make_train_recipe(config, 32, 32), has("crop_padding"));
  const auto recipe = make_train_recipe(imagenet_recipe(AugmentOrder::kCropFirst), 8, 8);
  const Plan plan = recipe->plan({{1, 40, 40, 3}, 0, "picture 4"}, stream(1), 0);
  REQUIRE(plan.request.box);
  CHECK_THROWS_WITH(plan.finish(noise(40, 40)), has("picture 4"));  // not the box that was asked for
}
