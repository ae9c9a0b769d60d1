#include "data/transforms/color_jitter.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "data/transforms/color.h"

namespace liere {
namespace {

struct Hsv {
  uint8_t hue = 0, saturation = 0, value = 0;
};

/// Pillow computes in float, with double constants in between: each step is rounded where Pillow's is.
Hsv to_hsv(const uint8_t* rgb) {
  const int red = rgb[0], green = rgb[1], blue = rgb[2];
  const int highest = std::max({red, green, blue}), lowest = std::min({red, green, blue});
  Hsv result{0, 0, static_cast<uint8_t>(highest)};
  if (highest == lowest) return result;
  const auto range = static_cast<float>(highest - lowest);
  const float saturation = range / static_cast<float>(highest);
  const auto below = [&](int channel) { return static_cast<float>(highest - channel) / range; };
  float hue;
  if (red == highest)
    hue = below(blue) - below(green);
  else if (green == highest)
    hue = static_cast<float>(2.0 + below(red) - below(blue));
  else
    hue = static_cast<float>(4.0 + below(green) - below(red));
  hue = static_cast<float>(std::fmod(hue / 6.0 + 1.0, 1.0));
  result.hue = static_cast<uint8_t>(std::clamp(static_cast<int>(hue * 255.0), 0, 255));
  result.saturation = static_cast<uint8_t>(std::clamp(static_cast<int>(saturation * 255.0), 0, 255));
  return result;
}

void to_rgb(const Hsv& hsv, uint8_t* rgb) {
  const uint8_t v = hsv.value;
  if (hsv.saturation == 0) {
    std::fill_n(rgb, 3, v);
    return;
  }
  const double turned = hsv.hue * 6.0 / 255.0;
  const int sector = static_cast<int>(turned);
  const auto fraction = static_cast<float>(turned - sector), saturation = static_cast<float>(hsv.saturation / 255.0);
  const auto level = [v](double share) { return static_cast<uint8_t>(std::clamp(static_cast<int>(std::round(v * share)), 0, 255)); };
  // `saturation * fraction` is a product of floats, the rest is in double.
  const uint8_t low = level(1.0 - saturation), falling = level(1.0 - saturation * fraction), rising = level(1.0 - saturation * (1.0 - fraction));
  const std::array<std::array<uint8_t, 3>, 6> sectors{
      {{v, rising, low}, {falling, v, low}, {low, v, rising}, {low, falling, v}, {rising, low, v}, {v, low, falling}}};
  std::copy_n(sectors[sector % 6].data(), 3, rgb);
}

}  // namespace

Frames adjust_hue(Frames frames, double shift) {
  require_pixels(frames, "hue");
  if (!(shift >= -0.5 && shift <= 0.5)) throw DataError("hue: expected a shift of -0.5 to 0.5 turns, found " + std::to_string(shift));
  const auto steps = static_cast<uint8_t>(static_cast<int>(shift * 255));
  const int64_t count = frames.shape().elements();
  for (int64_t i = 0; i < count; i += 3) {
    Hsv hsv = to_hsv(frames.u8() + i);
    hsv.hue = static_cast<uint8_t>(hsv.hue + steps);
    to_rgb(hsv, frames.u8() + i);
  }
  return frames;
}

std::vector<DrawnJitter> draw_color_jitter(const ColorJitterConfig& config, Rng& rng) {
  const std::array<double, 4> strengths{config.brightness, config.contrast, config.saturation, config.hue};
  if (std::all_of(strengths.begin(), strengths.end(), [](double strength) { return strength == 0; })) return {};
  const auto order = rng.permutation(4);
  std::array<double, 4> factors{};
  for (size_t i = 0; i < 4; ++i) {
    if (strengths[i] == 0) continue;
    const bool hue = static_cast<JitterStep>(i) == JitterStep::kHue;
    factors[i] = hue ? rng.uniform(-strengths[i], strengths[i]) : rng.uniform(std::max(0.0, 1 - strengths[i]), 1 + strengths[i]);
  }
  std::vector<DrawnJitter> steps;
  for (const int64_t i : order)
    if (strengths[i] != 0) steps.push_back({static_cast<JitterStep>(i), factors[i]});
  return steps;
}

Frames apply_color_jitter(Frames frames, const std::vector<DrawnJitter>& steps) {
  for (const auto& [step, factor] : steps) switch (step) {
      case JitterStep::kBrightness:
        frames = adjust_brightness(std::move(frames), factor);
        break;
      case JitterStep::kContrast:
        frames = adjust_contrast(std::move(frames), factor);
        break;
      case JitterStep::kSaturation:
        frames = adjust_color(std::move(frames), factor);
        break;
      case JitterStep::kHue:
        frames = adjust_hue(std::move(frames), factor);
        break;
    }
  return frames;
}

}  // namespace liere
