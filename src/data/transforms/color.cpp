#include "data/transforms/color.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "data/transforms/pixel_kernels.h"

namespace liere {
namespace {

using Histogram = std::array<int64_t, 256>;

struct Table {
  ByteTable values;
};

int64_t pixels_per_frame(const Frames& frames) { return frames.shape().height * frames.shape().width; }

uint8_t* frame_pixels(Frames& frames, int64_t t) { return frames.u8() + t * pixels_per_frame(frames) * 3; }

template <class Function>
Table tabulate(Function function) {
  Table table;
  for (int p = 0; p < 256; ++p) table.values[p] = function(p);
  return table;
}

Frames look_up(Frames frames, const Table& table) {
  pixel_kernels().look_up(frames.u8(), frames.shape().elements(), table.values);
  return frames;
}

/// Four counts of each value in turn, so that equal neighbours do not wait for each other.
void count_values(const uint8_t* pixels, int64_t count, std::array<Histogram, 3>& histograms) {
  constexpr int kTurns = 4;
  std::vector<uint32_t> counts(kTurns * 3 * 256);  // a picture has fewer than 2^32 pixels
  const auto add = [&](int64_t i, int turn) {
    for (int c = 0; c < 3; ++c) ++counts[(turn * 3 + c) * 256 + pixels[i * 3 + c]];
  };
  int64_t i = 0;
  for (; i + kTurns <= count; i += kTurns)
    for (int turn = 0; turn < kTurns; ++turn) add(i + turn, turn);
  for (; i < count; ++i) add(i, 0);
  for (int c = 0; c < 3; ++c)
    for (int p = 0; p < 256; ++p)
      for (int turn = 0; turn < kTurns; ++turn) histograms[c][p] += counts[(turn * 3 + c) * 256 + p];
}

int lowest(const Histogram& histogram) {
  int value = 0;
  while (value < 255 && histogram[value] == 0) ++value;
  return value;
}

int highest(const Histogram& histogram) {
  int value = 255;
  while (value > 0 && histogram[value] == 0) --value;
  return value;
}

uint8_t identity(int p) { return static_cast<uint8_t>(p); }

Table autocontrast_table(int low, int high) {
  if (high <= low) return tabulate(identity);
  const double scale = 255.0 / (high - low), offset = -low * scale;
  return tabulate([=](int p) { return static_cast<uint8_t>(std::clamp(static_cast<int>(p * scale + offset), 0, 255)); });
}

Table equalize_table(const Histogram& histogram) {
  const int high = highest(histogram);
  if (lowest(histogram) == high) return tabulate(identity);
  int64_t count = 0;
  for (int64_t n : histogram) count += n;
  const int64_t step = (count - histogram[high]) / 255;
  if (step == 0) return tabulate(identity);
  int64_t below = step / 2;
  int value = 0;  // min(below / step, 255): it only grows, so no division
  return tabulate([&](int p) {
    while (value < 255 && below >= (value + 1) * step) ++value;
    below += histogram[p];
    return static_cast<uint8_t>(value);
  });
}

/// Factors 0 and 1 need no case of their own: the sum is then exactly D and p.
uint8_t blend(int degenerate, int value, float factor) {
  const float result = static_cast<float>(degenerate) + factor * static_cast<float>(value - degenerate);
  return static_cast<uint8_t>(std::clamp(result, 0.0f, 255.0f));
}

}  // namespace

Frames autocontrast(Frames frames) {
  require_pixels(frames, "autocontrast");
  const int64_t count = pixels_per_frame(frames);
  for (int64_t t = 0; t < frames.shape().frames && count > 0; ++t) {
    uint8_t low[3], high[3];
    pixel_kernels().extremes(frame_pixels(frames, t), count, low, high);
    Table tables[3];
    for (int c = 0; c < 3; ++c) tables[c] = autocontrast_table(low[c], high[c]);
    pixel_kernels().look_up_channels(frame_pixels(frames, t), count, &tables[0].values);
  }
  return frames;
}

Frames equalize(Frames frames) {
  require_pixels(frames, "equalize");
  const int64_t count = pixels_per_frame(frames);
  for (int64_t t = 0; t < frames.shape().frames; ++t) {
    std::array<Histogram, 3> histograms{};
    count_values(frame_pixels(frames, t), count, histograms);
    Table tables[3];
    for (int c = 0; c < 3; ++c) tables[c] = equalize_table(histograms[c]);
    pixel_kernels().look_up_channels(frame_pixels(frames, t), count, &tables[0].values);
  }
  return frames;
}

Frames invert(Frames frames) {
  require_pixels(frames, "invert");
  return look_up(std::move(frames), tabulate([](int p) { return static_cast<uint8_t>(255 - p); }));
}

Frames posterize(Frames frames, int64_t bits) {
  require_pixels(frames, "posterize");
  if (bits < 0 || bits > 8) throw DataError("posterize: expected 0 to 8 bits, found " + std::to_string(bits));
  return look_up(std::move(frames), tabulate([=](int p) { return static_cast<uint8_t>(p & ~((1 << (8 - bits)) - 1)); }));
}

Frames solarize(Frames frames, double threshold) {
  require_pixels(frames, "solarize");
  return look_up(std::move(frames), tabulate([=](int p) { return static_cast<uint8_t>(p < threshold ? p : 255 - p); }));
}

Frames solarize_add(Frames frames, double addend) {
  require_pixels(frames, "solarize_add");
  return look_up(std::move(frames), tabulate([=](int p) {
                   const int q = static_cast<int>(std::clamp(p + addend, 0.0, 255.0));
                   return static_cast<uint8_t>(q < 128 ? q : 255 - q);
                 }));
}

Frames add_to_dark(Frames frames, int64_t addend) {
  require_pixels(frames, "add_to_dark");
  return look_up(std::move(frames), tabulate([=](int p) { return static_cast<uint8_t>(p < 128 ? std::min<int64_t>(255, p + addend) : p); }));
}

Frames adjust_brightness(Frames frames, double factor) {
  require_pixels(frames, "brightness");
  return look_up(std::move(frames), tabulate([=](int p) { return blend(0, p, static_cast<float>(factor)); }));
}

Frames adjust_color(Frames frames, double factor) {
  require_pixels(frames, "color");
  pixel_kernels().blend_with_grey(frames.u8(), frames.shape().elements() / 3, static_cast<float>(factor));
  return frames;
}

Frames adjust_contrast(Frames frames, double factor) {
  require_pixels(frames, "contrast");
  const int64_t count = pixels_per_frame(frames);
  for (int64_t t = 0; t < frames.shape().frames; ++t) {
    uint8_t* pixels = frame_pixels(frames, t);
    const int64_t sum = pixel_kernels().sum_of_greys(pixels, count);
    const int mean = static_cast<int>(static_cast<double>(sum) / static_cast<double>(count) + 0.5);
    const Table table = tabulate([=](int p) { return blend(mean, p, static_cast<float>(factor)); });
    pixel_kernels().look_up(pixels, count * 3, table.values);
  }
  return frames;
}

Frames adjust_sharpness(Frames frames, double factor) {
  require_pixels(frames, "sharpness");
  const auto& shape = frames.shape();
  if (shape.width < 3 || shape.height < 3) return frames;
  Frames result = frames;
  const int64_t stride = shape.width * 3;
  for (int64_t t = 0; t < shape.frames; ++t)
    for (int64_t y = 1; y + 1 < shape.height; ++y) {
      const uint8_t* row = frame_pixels(frames, t) + y * stride + 3;
      pixel_kernels().sharpen(row - stride, row, row + stride, frame_pixels(result, t) + y * stride + 3, stride - 6, static_cast<float>(factor));
    }
  return result;
}

}  // namespace liere
