// The recipes of CT volumes: windows by hand, one draw for all slices, the plain volume where nothing is drawn, the same values for the same stream,
// and what they refuse.
#include "data/recipe_volume.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "core/check.h"
#include "data/recipes.h"
#include "data/transforms/ct_window.h"
#include "data/transforms/volume_affine.h"
#include "data/volumes/resample.h"
#include "support/matchers.h"

using namespace liere;
using namespace liere::test;

namespace {

constexpr int64_t kSlices = 5, kRows = 12, kColumns = 14, kVoxels = kSlices * kRows * kColumns;

SourceInfo study(FrameShape shape = {kSlices, kRows, kColumns, 1}) { return {shape, 1, "volume 0f3a"}; }

/// Values over the whole range; `constant`: all slices alike.
Frames volume(FrameShape shape = {kSlices, kRows, kColumns, 1}, bool constant = false) {
  Frames hu(PixelType::kI16, shape);
  const int64_t plane = shape.height * shape.width;
  for (int64_t i = 0; i < shape.elements(); ++i) hu.i16()[i] = static_cast<int16_t>((constant ? i % plane : i) * 7919 % 4096 - 1024);
  return hu;
}

Rng stream(uint32_t sample, uint32_t epoch = 0) { return Rng(8, Purpose::kAugmentation, epoch, sample); }

/// The input of the recipe's plan.
std::vector<float> seen(const Recipe& recipe, const Frames& hu, Rng rng) {
  std::vector<float> out(static_cast<size_t>(recipe.output_shape().elements()), -9.0f);
  fill_input(recipe.plan(study(hu.shape()), rng, 0), hu, recipe, "volume 0f3a", out.data());
  return out;
}

std::unique_ptr<Recipe> train(const AugmentConfig& config) { return make_train_volume_recipe(config, kSlices, kRows, kColumns); }

/// One channel that shows the whole range without clipping: HU = -1024 + 4096 (v + 1) / 2, exactly.
AugmentConfig whole_range() {
  AugmentConfig config;
  config.windows = {"1024/4096"};
  return config;
}
double hu_of(float value) { return -1024 + 2048 * (static_cast<double>(value) + 1); }

}  // namespace

TEST_CASE("a window spreads its range over -1 to 1, a channel each", "[volume][recipe]") {
  AugmentConfig config;
  const auto recipe = make_eval_volume_recipe(config, 1, 1, 6);
  CHECK(recipe->output_shape() == FrameShape{1, 1, 6, 3});
  CHECK(recipe->views() == 1);
  Frames hu(PixelType::kI16, {1, 1, 6, 1});
  const int16_t values[] = {-1024, 0, 40, 60, 80, 3071};
  std::copy_n(values, 6, hu.i16());
  const auto found = seen(*recipe, hu, stream(0));
  // brain 0..80, subdural -20..180, bone -800..2000
  const float expected[18] = {-1, -1, 0, 0.5f, 1, 1, -1, -0.8f, -0.4f, -0.2f, 0, 1, -1, -3.0f / 7, -0.4f, -27.0f / 70, -13.0f / 35, 1};
  for (size_t i = 0; i < 18; ++i) {
    CAPTURE(i);
    CHECK(std::abs(found[i] - expected[i]) < 2e-7f);
  }
  config.windows = {"0/1", "100.5/3e2", "-600/1500", "40/80", "75/215"};
  CHECK(make_eval_volume_recipe(config, 4, 8, 8)->output_shape() == FrameShape{4, 8, 8, 5});
  CHECK(make_train_volume_recipe(config, 4, 8, 8)->output_shape() == FrameShape{4, 8, 8, 5});
  CHECK(parse_ct_windows({"100.5/3e2", "-600/1500"}, "augment.windows") == std::vector<CtWindow>{{100.5, 300}, {-600, 1500}});
}

TEST_CASE("training without augmentation shows what evaluation shows, bit for bit", "[volume][recipe]") {
  const AugmentConfig config;
  const auto eval = make_eval_volume_recipe(config, kSlices, kRows, kColumns);
  const auto expected = seen(*eval, volume(), stream(3));
  REQUIRE(std::none_of(expected.begin(), expected.end(), [](float v) { return v < -1 || v > 1; }));
  for (uint32_t sample = 0; sample < 3; ++sample) CHECK(seen(*train(config), volume(), stream(sample)) == expected);
  CHECK(seen(*eval, volume(), stream(0)) == expected);
}

TEST_CASE("all slices of a volume are augmented alike", "[volume][recipe]") {
  auto config = whole_range();
  config.volume = {20, {0.8, 1.25}, 0.1, 0.5, 30, 0.2, 0};
  const auto recipe = train(config);
  const size_t plane = kRows * kColumns;
  std::vector<float> before;
  for (uint32_t sample = 0; sample < 20; ++sample) {
    const auto found = seen(*recipe, volume({kSlices, kRows, kColumns, 1}, true), stream(sample));
    for (size_t t = 1; t < kSlices; ++t) REQUIRE(std::memcmp(found.data(), found.data() + t * plane, plane * 4) == 0);
    REQUIRE(found != before);
    before = found;
  }
}

TEST_CASE("a volume's input follows from seed, epoch and sample", "[volume][recipe]") {
  AugmentConfig config;
  config.volume = {20, {0.8, 1.25}, 0.1, 0.5, 30, 0.2, 10};
  const auto first = seen(*train(config), volume(), stream(4, 2));
  CHECK(seen(*train(config), volume(), stream(4, 2)) == first);
  CHECK(seen(*train(config), volume(), stream(5, 2)) != first);
  CHECK(seen(*train(config), volume(), stream(4, 3)) != first);
}

TEST_CASE("the draws of a volume come in the documented order", "[volume][recipe]") {
  auto config = whole_range();
  config.volume = {20, {0.8, 1.25}, 0.1, 0.5, 30, 0.2, 10};
  Rng rng = stream(9);
  VolumeMap map;
  map.degrees = rng.uniform(-20, 20);
  map.scale = rng.uniform(0.8, 1.25);
  map.shift_rows = rng.uniform(-0.1, 0.1) * kRows;
  map.shift_columns = rng.uniform(-0.1, 0.1) * kColumns;
  map.mirrored = rng.coin(0.5);
  const double level = 1024 + rng.uniform(-30, 30), width = 4096 * rng.uniform(0.8, 1.2);
  std::vector<float> noise(kVoxels);
  fill_normal(rng.bits64(), noise.data(), kVoxels, 0, 10);
  Rng again = stream(9);
  CHECK(draw_volume_map(config.volume, kRows, kColumns, again) == map);

  const auto found = seen(*train(config), volume(), stream(9));
  const Frames hu = volume();
  VolumeSampler sampler(hu, map, volume_kernels());
  std::vector<float> row(kColumns);
  for (int64_t y = 0; y < kRows; ++y) {
    sampler.place(y);
    for (int64_t t = 0; t < kSlices; ++t) {
      sampler.sample(t, row.data());
      for (int64_t x = 0; x < kColumns; ++x) {
        const int64_t i = (t * kRows + y) * kColumns + x;
        const double value = (row[x] + noise[i] - (level - width / 2)) / width;
        REQUIRE(std::abs(found[i] - (std::clamp(value, 0.0, 1.0) * 2 - 1)) < 1e-6);
      }
    }
  }
}

TEST_CASE("noise of a volume has the mean and the deviation asked for", "[volume][recipe]") {
  auto config = whole_range();
  config.volume.noise = 25;
  const FrameShape shape{20, 40, 50, 1};
  Frames hu(PixelType::kI16, shape);
  std::fill_n(hu.i16(), shape.elements(), int16_t{500});
  const auto found = seen(*make_train_volume_recipe(config, 20, 40, 50), hu, stream(1));
  double sum = 0, squares = 0, neighbours = 0;
  const auto count = static_cast<double>(found.size());
  for (size_t i = 0; i < found.size(); ++i) {
    const double difference = hu_of(found[i]) - 500;
    sum += difference;
    squares += difference * difference;
    if (i > 0) neighbours += difference * (hu_of(found[i - 1]) - 500);
  }
  // Standard errors of 40,000 numbers: mean 0.125, deviation 0.088, correlation 0.005; four of each.
  CHECK(std::abs(sum / count) < 0.5);
  CHECK(std::abs(std::sqrt(squares / count) - 25) < 0.36);
  CHECK(std::abs(neighbours / squares) < 0.02);
}

TEST_CASE("windows change together, by the level and width drawn", "[volume][recipe]") {
  AugmentConfig config;
  config.windows = {"1024/4096", "500/3000"};
  config.volume.window_level = 100;
  config.volume.window_width = 0.3;
  Frames hu(PixelType::kI16, {1, 1, 2, 1});
  hu.i16()[0] = 300;
  hu.i16()[1] = 700;
  double lowest = 1e9, highest = -1e9, narrowest = 9, widest = 0;
  const auto recipe = make_train_volume_recipe(config, 1, 1, 2);
  for (uint32_t sample = 0; sample < 200; ++sample) {
    const auto found = seen(*recipe, hu, stream(sample));
    const auto read = [&](size_t c) {
      const double width = 400 * 2 / (static_cast<double>(found[2 * c + 1]) - found[2 * c]);
      return std::pair{300 - width * found[2 * c] / 2, width};  // the level is where the value is 0
    };
    const auto [level, width] = read(0);
    const auto [other_level, other_width] = read(1);
    REQUIRE(level - 1024 == Approx(other_level - 500).margin(0.02));
    REQUIRE(width / 4096 == Approx(other_width / 3000).epsilon(1e-5));
    lowest = std::min(lowest, level - 1024);
    highest = std::max(highest, level - 1024);
    narrowest = std::min(narrowest, width / 4096);
    widest = std::max(widest, width / 4096);
  }
  CHECK((lowest >= -100.1 && lowest < -90 && highest <= 100.1 && highest > 90));
  CHECK((narrowest >= 0.6999 && narrowest < 0.73 && widest <= 1.3001 && widest > 1.27));
}

TEST_CASE("a volume of another size than the input's is resampled first", "[volume][recipe]") {
  AugmentConfig config;
  config.volume = {20, {0.8, 1.25}, 0.1, 0.5, 30, 0.2, 10};
  for (const FrameShape from : {FrameShape{9, 24, 21, 1}, FrameShape{3, 6, 30, 1}, FrameShape{1, 12, 14, 1}}) {
    const Frames hu = volume(from), resized = resample_to(hu, kSlices, kRows, kColumns);
    REQUIRE(resized.shape() == FrameShape{kSlices, kRows, kColumns, 1});
    const auto eval = make_eval_volume_recipe(config, kSlices, kRows, kColumns);
    CHECK(seen(*eval, hu, stream(2)) == seen(*eval, resized, stream(2)));
    CHECK(seen(*train(config), hu, stream(2)) == seen(*train(config), resized, stream(2)));
  }
}

TEST_CASE("the kind of data chooses between volumes, clips and pictures", "[volume][recipe]") {
  const DatasetConfig volumes = VolumesConfig(), videos = Ucf101Config(), pictures = FolderConfig();
  AugmentConfig config;
  for (const auto make :
       {static_cast<std::unique_ptr<Recipe> (*)(const DatasetConfig&, const AugmentConfig&, const std::vector<int64_t>&)>(make_train_recipe),
        static_cast<std::unique_ptr<Recipe> (*)(const DatasetConfig&, const AugmentConfig&, const std::vector<int64_t>&)>(make_eval_recipe)}) {
    auto four = config;
    four.windows.push_back("75/215");
    CHECK(make(volumes, four, {6, 16, 20})->output_shape() == FrameShape{6, 16, 20, 4});
    CHECK(make(videos, config, {6, 16, 16})->output_shape() == FrameShape{6, 16, 16, 3});
    CHECK(make(pictures, config, {16, 16})->output_shape() == FrameShape{1, 16, 16, 3});
    CHECK_THROWS_WITH(make(volumes, config, {16, 16}), has("[slices, rows, columns]"));
    CHECK_THROWS_WITH(make(pictures, four, {16, 16}), has("augment.windows"));
    auto noisy = config;
    noisy.volume.noise = 3;
    CHECK_THROWS_WITH(make(videos, noisy, {6, 16, 16}), has("augment.volume"));
    CHECK_NOTHROW(make(volumes, noisy, {6, 16, 20}));
  }
}

TEST_CASE("people see the first window of a volume as grey", "[volume][recipe]") {
  AugmentConfig config;
  for (const size_t windows : {1, 2, 3, 4}) {
    config.windows.assign(windows, "600/2800");
    config.windows[0] = "40/80";
    const auto recipe = make_eval_volume_recipe(config, kSlices, kRows, kColumns);
    const Frames hu = volume();
    const Frames picture = picture_of(recipe->plan(study(), stream(0), 0), hu, *recipe, "volume 0f3a");
    REQUIRE(picture.shape() == FrameShape{kSlices, kRows, kColumns, 1});
    for (int64_t i = 0; i < kVoxels; ++i) REQUIRE(std::abs(picture.u8()[i] - std::clamp(hu.i16()[i] / 80.0, 0.0, 1.0) * 255) <= 0.5001);
  }
}

TEST_CASE("volume recipes refuse what volumes do not have", "[volume][recipe][errors]") {
  const auto refused = [](auto change, const std::string& key) {
    AugmentConfig config;
    change(config);
    CHECK_THROWS_AS(train(config), ConfigError);
    CHECK_THROWS_WITH(train(config), has(key));
  };
  refused([](AugmentConfig& c) { c.rand_augment.kind = RandAugmentKind::kReleased; }, "augment.volume");
  refused([](AugmentConfig& c) { c.rand_augment.kind = RandAugmentKind::kReleased; }, "augment.rand_augment.kind");
  refused([](AugmentConfig& c) { c.three_augment = true; }, "augment.three_augment");
  refused([](AugmentConfig& c) { c.color_jitter.brightness = 0.1; }, "augment.color_jitter");
  refused([](AugmentConfig& c) { c.random_resized_crop.enabled = true; }, "augment.random_resized_crop");
  refused([](AugmentConfig& c) { c.order = AugmentOrder::kCropFirst; }, "augment.order");
  refused([](AugmentConfig& c) { c.crop_padding = 4; }, "augment.crop_padding");
  refused([](AugmentConfig& c) { c.flip = 0.5; }, "augment.flip");
  refused([](AugmentConfig& c) { c.erasing = 0.25; }, "augment.erasing");
  refused([](AugmentConfig& c) { c.resize = ResizeFilter::kBicubic; }, "augment.resize");
  refused([](AugmentConfig& c) { c.normalization = NormalizationKind::kImagenet; }, "augment.normalization");
  refused([](AugmentConfig& c) { c.evaluation.kind = EvaluationView::kCentreCrop; }, "augment.evaluation.kind");
  for (const std::vector<double>& scale : {std::vector<double>{1}, {1.2, 0.8}, {0, 1}, {1, 11}, {0.5, NAN}})
    refused([&](AugmentConfig& c) { c.volume.scale = scale; }, "augment.volume.scale");
  for (const std::string text : {"", "40", "40/", "/80", "40/0", "40/-80", "40/80/2", " 40/80", "40 / 80", "40/nan", "inf/80", "40/1e9", "brain"})
    refused([&](AugmentConfig& c) { c.windows = {"40/80", text}; }, "augment.windows");
  refused([](AugmentConfig& c) { c.windows.clear(); }, "augment.windows");
  CHECK_THROWS_AS(make_eval_volume_recipe({}, 0, 224, 224), ConfigError);
  CHECK_THROWS_WITH(make_eval_volume_recipe({}, 32, 224, 0), has("[32, 224, 0]"));

  const auto recipe = make_eval_volume_recipe({}, kSlices, kRows, kColumns);
  CHECK_THROWS_WITH(recipe->plan({{1, 32, 32, 3}, 0, "arrows train 3"}, stream(0), 0), has("arrows train 3"));
  CHECK_THROWS_AS(recipe->plan({{0, 32, 32, 1}, 0, "empty"}, stream(0), 0), DataError);
  const Plan plan = recipe->plan(study(), stream(0), 0);
  std::vector<float> out(kVoxels * 3);
  CHECK_THROWS_WITH(plan.fill(volume({kSlices, kRows, kColumns - 1, 1}), out.data()), has("volume 0f3a") && has("5 slices of 12x14"));
  CHECK_THROWS_AS(plan.fill(Frames(PixelType::kU8, {kSlices, kRows, kColumns, 1}), out.data()), DataError);
}
