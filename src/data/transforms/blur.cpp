#include "data/transforms/blur.h"

#include <algorithm>
#include <cmath>
#include <vector>

namespace liere {
namespace {

constexpr int kPasses = 3;

float box_radius(float radius) {
  const float variance = radius * radius / kPasses;
  const auto length = static_cast<float>(std::sqrt(12.0 * variance + 1.0));
  const auto whole = static_cast<float>(std::floor((length - 1.0) / 2.0));
  float part = (2 * whole + 1) * (whole * (whole + 1) - 3 * variance);
  part /= 6 * (variance - (whole + 1) * (whole + 1));
  return whole + part;
}

/// A box of 2 `reach` + 1 whole pixels and a part of the next one on each side; weights have 24 fractional bits.
struct BoxFilter {
  int64_t reach;
  uint32_t whole, edge;
};

BoxFilter box_filter(float radius) {
  const auto reach = static_cast<int>(radius);
  const auto whole = static_cast<uint32_t>(static_cast<float>(1u << 24) / (radius * 2 + 1));
  return {reach, whole, ((1u << 24) - static_cast<uint32_t>(reach * 2 + 1) * whole) / 2};
}

/// One pass along `count` pixels that lie `stride` bytes apart, in place; `line` is room for them.
void blur_line(uint8_t* pixels, int64_t count, int64_t stride, const BoxFilter& filter, std::vector<uint8_t>& line) {
  for (int64_t i = 0; i < count; ++i) line[i] = pixels[i * stride];
  const auto at = [&](int64_t i) -> uint32_t { return line[std::clamp<int64_t>(i, 0, count - 1)]; };
  uint32_t sum = 0;
  for (int64_t i = -filter.reach - 1; i < filter.reach; ++i) sum += at(i);  // of the box around pixel -1
  for (int64_t i = 0; i < count; ++i) {
    const uint32_t left = at(i - filter.reach - 1);
    sum += at(i + filter.reach) - left;
    pixels[i * stride] = static_cast<uint8_t>((sum * filter.whole + (left + at(i + filter.reach + 1)) * filter.edge + (1u << 23)) >> 24);
  }
}

}  // namespace

Frames gaussian_blur(Frames frames, double radius) {
  require_pixels(frames, "blur", false);
  if (!(radius >= 0 && radius <= 1000)) throw DataError("blur: expected a radius of 0 to 1000 pixels, found " + std::to_string(radius));
  if (radius == 0) return frames;
  const BoxFilter filter = box_filter(box_radius(static_cast<float>(radius)));
  const auto& shape = frames.shape();
  const int64_t row_stride = shape.width * shape.channels;
  std::vector<uint8_t> line(std::max(shape.height, shape.width));
  for (int64_t row = 0; row < shape.frames * shape.height; ++row)
    for (int64_t c = 0; c < shape.channels; ++c)
      for (int pass = 0; pass < kPasses; ++pass) blur_line(frames.u8() + row * row_stride + c, shape.width, shape.channels, filter, line);
  for (int64_t t = 0; t < shape.frames; ++t)
    for (int64_t column = 0; column < row_stride; ++column)
      for (int pass = 0; pass < kPasses; ++pass)
        blur_line(frames.u8() + t * shape.height * row_stride + column, shape.height, row_stride, filter, line);
  return frames;
}

}  // namespace liere
