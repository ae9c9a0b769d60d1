#include "data/transforms/color.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace liere {
namespace {

using Table = std::array<uint8_t, 256>;
using Histogram = std::array<int64_t, 256>;

int64_t pixels_per_frame(const Frames& frames) { return frames.shape().height * frames.shape().width; }

uint8_t* frame_pixels(Frames& frames, int64_t t) { return frames.u8() + t * pixels_per_frame(frames) * 3; }

template <class Function>
Table tabulate(Function function) {
  Table table;
  for (int p = 0; p < 256; ++p) table[p] = function(p);
  return table;
}

void look_up(uint8_t* values, int64_t count, const Table& table) {
  for (int64_t i = 0; i < count; ++i) values[i] = table[values[i]];
}

Frames look_up(Frames frames, const Table& table) {
  look_up(frames.u8(), frames.shape().elements(), table);
  return frames;
}

/// Replaces each channel of each frame by table(histogram of that channel).
template <class Function>
Frames look_up_by_histogram(Frames frames, Function table) {
  const int64_t count = pixels_per_frame(frames);
  for (int64_t t = 0; t < frames.shape().frames; ++t) {
    uint8_t* pixels = frame_pixels(frames, t);
    std::array<Histogram, 3> histograms{};
    for (int64_t i = 0; i < count; ++i)
      for (int c = 0; c < 3; ++c) ++histograms[c][pixels[i * 3 + c]];
    const std::array<Table, 3> tables{table(histograms[0]), table(histograms[1]), table(histograms[2])};
    for (int64_t i = 0; i < count; ++i)
      for (int c = 0; c < 3; ++c) pixels[i * 3 + c] = tables[c][pixels[i * 3 + c]];
  }
  return frames;
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

Table autocontrast_table(const Histogram& histogram) {
  const int low = lowest(histogram), high = highest(histogram);
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

void blend_row(const uint8_t* __restrict degenerate, uint8_t* __restrict values, int64_t count, float factor) {
  for (int64_t i = 0; i < count; ++i) values[i] = blend(degenerate[i], values[i], factor);
}

int grey(const uint8_t* pixel) { return static_cast<int>((19595u * pixel[0] + 38470u * pixel[1] + 7471u * pixel[2] + 32768u) >> 16); }

/// One inner row; the pointers are to the second pixel of three rows of the unchanged picture.
void sharpen_row(const uint8_t* above, const uint8_t* row, const uint8_t* below, uint8_t* __restrict out, int64_t count, float factor) {
  for (int64_t i = 0; i < count; ++i) {
    const int total = above[i - 3] + above[i] + above[i + 3] + row[i - 3] + 5 * row[i] + row[i + 3] + below[i - 3] + below[i] + below[i + 3];
    out[i] = blend((2 * total + 13) / 26, row[i], factor);  // total / 13 rounded; never nearer than 1/26 to a half, so Pillow's floats agree
  }
}

}  // namespace

Frames autocontrast(Frames frames) {
  require_pixels(frames, "autocontrast");
  return look_up_by_histogram(std::move(frames), autocontrast_table);
}

Frames equalize(Frames frames) {
  require_pixels(frames, "equalize");
  return look_up_by_histogram(std::move(frames), equalize_table);
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

Frames adjust_brightness(Frames frames, double factor) {
  require_pixels(frames, "brightness");
  return look_up(std::move(frames), tabulate([=](int p) { return blend(0, p, static_cast<float>(factor)); }));
}

Frames adjust_color(Frames frames, double factor) {
  require_pixels(frames, "color");
  Frames greys(PixelType::kU8, frames.shape());  // a plane of its own: the blend over contiguous bytes vectorises
  const int64_t count = frames.shape().elements();
  for (int64_t i = 0; i < count; i += 3) std::fill_n(greys.u8() + i, 3, static_cast<uint8_t>(grey(frames.u8() + i)));
  blend_row(greys.u8(), frames.u8(), count, static_cast<float>(factor));
  return frames;
}

Frames adjust_contrast(Frames frames, double factor) {
  require_pixels(frames, "contrast");
  const int64_t count = pixels_per_frame(frames);
  for (int64_t t = 0; t < frames.shape().frames; ++t) {
    uint8_t* pixels = frame_pixels(frames, t);
    int64_t sum = 0;
    for (int64_t i = 0; i < count; ++i) sum += grey(pixels + i * 3);
    const int mean = static_cast<int>(static_cast<double>(sum) / static_cast<double>(count) + 0.5);
    look_up(pixels, count * 3, tabulate([=](int p) { return blend(mean, p, static_cast<float>(factor)); }));
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
      sharpen_row(row - stride, row, row + stride, frame_pixels(result, t) + y * stride + 3, stride - 6, static_cast<float>(factor));
    }
  return result;
}

}  // namespace liere
