// The recipes of clips: one draw for all frames, the same values for the same stream, views that cover the video, and what they refuse.
#include "data/recipe_clip.h"

#include <algorithm>
#include <cstring>
#include <set>

#include "core/check.h"
#include "data/recipes.h"
#include "data/transforms/clip_resize.h"
#include "data/transforms/clip_sampling.h"
#include "data/transforms/erasing.h"
#include "data/transforms/geometry.h"
#include "data/transforms/rand_augment.h"
#include "data/transforms/random_resized_crop.h"
#include "support/matchers.h"

using namespace liere;
using namespace liere::test;

namespace {

AugmentConfig released() {
  AugmentConfig config;
  config.rand_augment = {RandAugmentKind::kIncreasing, 4, 7, 0.5, 0.5};
  config.random_resized_crop = {true, {0.08, 1}, {0.75, 1.3333}};
  config.flip = 0.5;
  config.erasing = 0.25;
  config.normalization = NormalizationKind::kImagenet;
  return config;
}

SourceInfo video(int64_t frames, int64_t height = 36, int64_t width = 48) { return {{frames, height, width, 3}, 5, "Biking/v_Biking_g01_c01.avi"}; }

/// A video whose frames are all the same picture but for one value, which counts them.
Frames decode(const SourceInfo& info, const std::vector<int64_t>& indices, bool constant) {
  Frames frames(PixelType::kU8, {static_cast<int64_t>(indices.size()), info.shape.height, info.shape.width, 3});
  const int64_t size = info.shape.height * info.shape.width * 3;
  for (size_t t = 0; t < indices.size(); ++t)
    for (int64_t i = 0; i < size; ++i)
      frames.u8()[static_cast<int64_t>(t) * size + i] = static_cast<uint8_t>((i * 7 + i / 48 * 13 + (constant ? 0 : 3 * indices[t])) % 251);
  return frames;
}

Rng stream(uint32_t sample) { return Rng(8, Purpose::kAugmentation, 0, sample); }

}  // namespace

TEST_CASE("a training clip is its draws applied in order", "[clip][recipe]") {
  const auto config = released();
  const auto recipe = make_train_clip_recipe(config, 4, 16, 16);
  CHECK(recipe->output_shape() == FrameShape{4, 16, 16, 3});
  CHECK(recipe->views() == 1);
  const auto info = video(60);
  const auto bytes = normalized_bytes(recipe->normalization().mean, recipe->normalization().std);
  int erased = 0, mirrored = 0;
  for (uint32_t sample = 0; sample < 60; ++sample) {
    const Plan plan = recipe->plan(info, stream(sample), 0);
    REQUIRE(!plan.request.box);
    std::vector<float> found(4 * 16 * 16 * 3), again(found.size()), expected(found.size());
    fill_input(plan, decode(info, plan.request.frames, false), *recipe, info.name, found.data());

    Rng rng = stream(sample);
    const auto frames = draw_clip(config.clip, 60, 4, rng);
    REQUIRE(plan.request.frames == frames);
    const auto operations = draw_rand_augment(config.rand_augment, 36, 48, rng);
    const Box box = draw_random_resized_crop(config.random_resized_crop, {36, 48}, rng);
    const bool flip = rng.coin(0.5);
    const auto erasing = draw_erasing(0.25, 16, 16, rng);
    resize_box_normalized(apply_operations(decode(info, frames, false), operations), box, {16, 16}, flip, bytes, expected.data());
    if (erasing) erase(expected.data(), {4, 16, 16, 3}, *erasing);
    REQUIRE(found == expected);
    erased += erasing.has_value();
    mirrored += flip;

    // The same stream again, as another worker would.
    const auto other = make_train_clip_recipe(config, 4, 16, 16);
    fill_input(other->plan(info, stream(sample), 0), decode(info, frames, false), *other, info.name, again.data());
    REQUIRE(found == again);
  }
  CHECK(erased > 5);
  CHECK(mirrored > 15);
}

TEST_CASE("all frames of a clip are augmented alike", "[clip][recipe]") {
  auto config = released();
  config.erasing = 0;
  const auto recipe = make_train_clip_recipe(config, 3, 16, 16);
  const auto info = video(40);
  for (uint32_t sample = 0; sample < 40; ++sample) {
    const Plan plan = recipe->plan(info, stream(sample), 0);
    const Frames seen = picture_of(plan, decode(info, plan.request.frames, true), *recipe, info.name);
    REQUIRE(seen.shape() == FrameShape{3, 16, 16, 3});
    const size_t size = 16 * 16 * 3;
    REQUIRE(std::memcmp(seen.u8(), seen.u8() + size, size) == 0);
    REQUIRE(std::memcmp(seen.u8(), seen.u8() + 2 * size, size) == 0);
  }
}

TEST_CASE("without a random crop training shows the centre", "[clip][recipe]") {
  AugmentConfig config;
  config.normalization = NormalizationKind::kHalf;
  config.clip.segments = config.clip.crops = 1;
  const auto train = make_train_clip_recipe(config, 4, 16, 16), eval = make_eval_clip_recipe(config, 4, 16, 16);
  const auto info = video(16);  // no more frames than the window: nothing is drawn
  const Plan train_plan = train->plan(info, stream(0), 0), eval_plan = eval->plan(info, stream(0), 0);
  const Frames frames = decode(info, {0, 5, 10, 15}, false);
  CHECK(train_plan.request.frames == std::vector<int64_t>{0, 5, 10, 15});
  std::vector<float> found(4 * 16 * 16 * 3), expected(found.size());
  fill_input(train_plan, frames, *train, info.name, found.data());
  fill_input(eval_plan, frames, *eval, info.name, expected.data());
  CHECK(found == expected);
}

TEST_CASE("views of evaluation are segment by segment, crop by crop, and draw nothing", "[clip][recipe]") {
  const auto config = released();
  const auto recipe = make_eval_clip_recipe(config, 4, 16, 16);
  REQUIRE(recipe->views() == 15);
  const auto info = video(61);
  std::set<int64_t> seen;
  for (int64_t view = 0; view < 15; ++view) {
    const Plan plan = recipe->plan(info, stream(1), view);
    REQUIRE(plan.request.frames == segment_frames(config.clip, 61, 4, view / 3));
    REQUIRE(!plan.finish_normalized);
    seen.insert(plan.request.frames.begin(), plan.request.frames.end());
    const Frames frames = decode(info, plan.request.frames, false);
    std::vector<float> found(4 * 16 * 16 * 3), other(found.size());
    fill_input(plan, frames, *recipe, info.name, found.data());
    fill_input(recipe->plan(info, stream(2), view), frames, *recipe, info.name, other.data());
    REQUIRE(found == other);
    // 36 x 48 -> 16 x 21: windows at 0, 2, 5.
    resize_window_normalized(frames, {16, 21}, {0, (view % 3) * 5 / 2, 16, 16}, false, normalized_bytes(recipe->normalization().mean, recipe->normalization().std),
                             other.data());
    REQUIRE(found == other);
  }
  CHECK(*seen.begin() == 0);
  CHECK(*seen.rbegin() == 60);
  CHECK_THROWS_AS(recipe->plan(info, stream(0), 15), DataError);
}

TEST_CASE("clip recipes refuse what clips do not have", "[clip][recipe][errors]") {
  const auto train = [](auto change) {
    auto config = released();
    change(config);
    return make_train_clip_recipe(config, 8, 224, 224);
  };
  CHECK_NOTHROW(train([](AugmentConfig&) {}));
  CHECK_THROWS_WITH(train([](AugmentConfig& c) { c.three_augment = true; }), has("augment.three_augment"));
  CHECK_THROWS_WITH(train([](AugmentConfig& c) { c.color_jitter.hue = 0.1; }), has("augment.color_jitter"));
  CHECK_THROWS_WITH(train([](AugmentConfig& c) { c.crop_padding = 4; }), has("augment.crop_padding"));
  CHECK_THROWS_WITH(train([](AugmentConfig& c) { c.order = AugmentOrder::kCropFirst; }), has("augment.order"));
  CHECK_THROWS_WITH(train([](AugmentConfig& c) { c.resize = ResizeFilter::kBicubic; }), has("augment.resize"));
  CHECK_THROWS_AS(train([](AugmentConfig& c) { c.rand_augment.magnitude = 14; }), ConfigError);
  CHECK_THROWS_WITH(make_eval_clip_recipe(released(), 8, 224, 192), has("[8, 224, 192]"));
  CHECK_THROWS_AS(make_eval_clip_recipe(released(), 0, 224, 224), ConfigError);

  const auto recipe = make_train_recipe(released(), std::vector<int64_t>{8, 32, 32});
  CHECK_THROWS_WITH(recipe->plan({{1, 32, 32, 3}, 0, "arrows train 3"}, stream(0), 0), has("arrows train 3") && has("still picture"));
  CHECK_THROWS_AS(recipe->plan({{32, 224, 224, 1}, 0, "study 3"}, stream(0), 0), DataError);
  const auto info = video(40);
  const Plan plan = recipe->plan(info, stream(0), 0);
  std::vector<float> out(8 * 32 * 32 * 3);
  CHECK_THROWS_WITH(plan.fill(decode(info, {0, 1}, false), out.data()), has("v_Biking") && has("8 frames of 36x48"));
}
