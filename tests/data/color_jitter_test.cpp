// Colour jitter, hue, Gaussian blur and 3-Augment: against Pillow bit for bit (parity), the draws' order and ranges.
#include "data/transforms/color_jitter.h"

#include <algorithm>
#include <map>

#include "core/check.h"
#include "data/transforms/blur.h"
#include "data/transforms/color.h"
#include "data/transforms/three_augment.h"
#include "support/golden_pictures.h"

using namespace liere;
using namespace liere::test;

namespace {

Rng stream(uint32_t sample) { return Rng(5, Purpose::kAugmentation, 0, sample, 0); }

Frames waves(int64_t frames, int64_t height, int64_t width) {
  Frames result(PixelType::kU8, {frames, height, width, 3});
  for (int64_t i = 0; i < result.shape().elements(); ++i) result.u8()[i] = static_cast<uint8_t>((i * 37 + i / 7 * 11) % 251);
  return result;
}

}  // namespace

TEST_CASE("hue parity", "[parity][jitter]") {
  const auto file = open_golden("augment_synthetic.safetensors");
  REQUIRE(file);
  Comparison comparison("augment_synthetic (hue)");
  const auto shifts = values<double>(*file, "hue.shift");
  for (const auto& name : picture_names(*file, "hue.out."))
    for (size_t i = 0; i < shifts.size(); ++i)
      comparison.add(name + " " + std::to_string(shifts[i]), adjust_hue(picture(*file, "in." + name), shifts[i]),
                     picture(*file, "hue.out." + name, static_cast<int64_t>(i)));
  comparison.finish();
}

TEST_CASE("Gaussian blur and grey parity", "[parity][jitter]") {
  const auto file = open_golden("augment_synthetic.safetensors");
  REQUIRE(file);
  Comparison comparison("augment_synthetic (blur, grey)");
  const auto radii = values<double>(*file, "blur.radius");
  for (const auto& name : picture_names(*file, "blur.out.")) {
    const Frames in = picture(*file, "in." + name);
    for (size_t i = 0; i < radii.size(); ++i)
      comparison.add(name + " " + std::to_string(radii[i]), gaussian_blur(in, radii[i]), picture(*file, "blur.out." + name, static_cast<int64_t>(i)));
    comparison.add(name + " grey", apply_three_augment(in, {ThreeAugmentOperation::kGrey, 0}), picture(*file, "grey.out." + name));
  }
  comparison.finish();
}

TEST_CASE("blur treats frames alike, keeps a constant picture, names a wrong radius", "[jitter]") {
  const Frames clip = waves(2, 9, 5);
  const Frames out = gaussian_blur(clip, 1.3);
  Frames second(PixelType::kU8, {1, 9, 5, 3});
  std::memcpy(second.u8(), clip.u8() + second.size_bytes(), second.size_bytes());
  const Frames alone = gaussian_blur(second, 1.3);
  CHECK(std::memcmp(alone.u8(), out.u8() + alone.size_bytes(), alone.size_bytes()) == 0);
  CHECK(mismatches(alone, second) > 0);
  Frames flat(PixelType::kU8, {1, 4, 3, 3});
  std::fill_n(flat.u8(), flat.size_bytes(), uint8_t{77});
  CHECK(mismatches(gaussian_blur(flat, 2), flat) == 0);
  CHECK(mismatches(gaussian_blur(clip, 0), clip) == 0);
  CHECK_THROWS_AS(gaussian_blur(clip, -1), DataError);
  CHECK_THROWS_AS(adjust_hue(clip, 0.6), DataError);
}

TEST_CASE("colour jitter draws a permutation, then the factors of the steps that are on", "[jitter]") {
  ColorJitterConfig config;
  Rng untouched = stream(0), used = stream(0);
  CHECK(draw_color_jitter(config, used).empty());
  CHECK(used.bits32() == untouched.bits32());
  config = {.brightness = 0.4, .contrast = 2, .saturation = 0, .hue = 0.1};
  std::map<std::string, int> orders;
  for (uint32_t sample = 0; sample < 600; ++sample) {
    Rng rng = stream(sample), expected = stream(sample);
    const auto steps = draw_color_jitter(config, rng);
    const auto order = expected.permutation(4);
    const double brightness = expected.uniform(0.6, 1.4), contrast = expected.uniform(0, 3), hue = expected.uniform(-0.1, 0.1);
    REQUIRE(rng.bits64() == expected.bits64());
    REQUIRE(steps.size() == 3);
    std::string text;
    size_t next = 0;
    for (const int64_t i : order) {
      if (i == 2) continue;
      REQUIRE(static_cast<int64_t>(steps[next].step) == i);
      REQUIRE(steps[next++].factor == (i == 0 ? brightness : i == 1 ? contrast : hue));
      text += std::to_string(i);
    }
    ++orders[text];
  }
  CHECK(orders.size() == 6);
  for (const auto& [order, count] : orders) CHECK((count > 60 && count < 150));  // 100 expected
}

TEST_CASE("colour jitter applies the steps one after the other", "[jitter]") {
  const Frames in = waves(1, 12, 10);
  const Frames found =
      apply_color_jitter(in, {{JitterStep::kHue, 0.2}, {JitterStep::kContrast, 1.3}, {JitterStep::kSaturation, 0.4}, {JitterStep::kBrightness, 0.7}});
  const Frames expected = adjust_brightness(adjust_color(adjust_contrast(adjust_hue(in, 0.2), 1.3), 0.4), 0.7);
  CHECK(mismatches(found, expected) == 0);
  CHECK(mismatches(found, in) > 0);
}

TEST_CASE("3-Augment draws each of its operations a third of the time", "[jitter]") {
  const Frames in = waves(1, 12, 10);
  std::array<int, 3> seen{};
  double smallest = 9, largest = 0;
  for (uint32_t sample = 0; sample < 900; ++sample) {
    Rng rng = stream(sample);
    const auto drawn = draw_three_augment(rng);
    ++seen[static_cast<size_t>(drawn.operation)];
    if (drawn.operation != ThreeAugmentOperation::kBlur) continue;
    smallest = std::min(smallest, drawn.radius);
    largest = std::max(largest, drawn.radius);
  }
  for (int count : seen) CHECK((count > 240 && count < 360));
  CHECK((smallest >= 0.1 && smallest < 0.15 && largest <= 2.0 && largest > 1.95));
  CHECK(mismatches(apply_three_augment(in, {ThreeAugmentOperation::kSolarize, 0}), solarize(in, 128)) == 0);
  CHECK(mismatches(apply_three_augment(in, {ThreeAugmentOperation::kBlur, 1.5}), gaussian_blur(in, 1.5)) == 0);
}
