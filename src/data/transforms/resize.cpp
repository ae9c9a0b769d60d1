#include "data/transforms/resize.h"

#include <algorithm>
#include <cmath>

#include "data/transforms/rgb.h"

namespace liere {
namespace {

constexpr int kWeightBits = 22;

double triangle(double t) {
  t = std::abs(t);
  return t < 1.0 ? 1.0 - t : 0.0;
}

double cubic(double t) {
  t = std::abs(t);
  if (t < 1.0) return ((1.5 * t - 2.5) * t) * t + 1.0;
  if (t < 2.0) return (((t - 5.0) * t + 8.0) * t - 4.0) * -0.5;
  return 0.0;
}

/// For each output index the first input index and the integer weights of `taps` inputs (zeros behind the last one used).
struct Weights {
  struct Span {
    int64_t first, count;
  };
  std::vector<Span> spans;
  std::vector<int32_t> weights;
  int64_t taps = 0;
};

Weights filter_weights(int64_t size_in, int64_t size_out, ResizeFilter filter) {
  const auto kernel = filter == ResizeFilter::kBilinear ? triangle : cubic;
  const double scale = static_cast<double>(size_in) / static_cast<double>(size_out), stretch = std::max(scale, 1.0);
  const double support = (filter == ResizeFilter::kBilinear ? 1.0 : 2.0) * stretch, inverse = 1.0 / stretch;
  Weights result;
  result.taps = static_cast<int64_t>(std::ceil(support)) * 2 + 1;
  result.spans.resize(size_out);
  result.weights.resize(size_out * result.taps);
  std::vector<double> exact(result.taps);
  for (int64_t i = 0; i < size_out; ++i) {
    const double centre = (static_cast<double>(i) + 0.5) * scale;
    const int64_t first = std::max<int64_t>(0, static_cast<int64_t>((centre - support) + 0.5));
    const int64_t end = std::min<int64_t>(size_in, static_cast<int64_t>((centre + support) + 0.5));
    double sum = 0;
    for (int64_t k = first; k < end; ++k) sum += exact[k - first] = kernel(((static_cast<double>(k) - centre) + 0.5) * inverse);
    int32_t* out = result.weights.data() + i * result.taps;
    for (int64_t k = 0; k < end - first; ++k) {
      const double weight = (sum != 0 ? exact[k] / sum : exact[k]) * (1 << kWeightBits);
      out[k] = static_cast<int32_t>(weight < 0 ? weight - 0.5 : weight + 0.5);
    }
    result.spans[i] = {first, end - first};
  }
  return result;
}

uint8_t rounded(int32_t sum) { return static_cast<uint8_t>(std::clamp(sum >> kWeightBits, 0, 255)); }

Frames resize_columns(const Frames& frames, int64_t width, ResizeFilter filter) {
  const auto& shape = frames.shape();
  const auto table = filter_weights(shape.width, width, filter);
  Frames result(PixelType::kU8, {shape.frames, shape.height, width, shape.channels});
  uint8_t* out = result.u8();
  for (int64_t row = 0; row < shape.frames * shape.height; ++row) {
    const uint8_t* in = frames.u8() + row * shape.width * shape.channels;
    for (int64_t x = 0; x < width; ++x) {
      const auto [first, count] = table.spans[x];
      const int32_t* weights = table.weights.data() + x * table.taps;
      for (int64_t c = 0; c < shape.channels; ++c) {
        int32_t sum = 1 << (kWeightBits - 1);
        for (int64_t k = 0; k < count; ++k) sum += in[(first + k) * shape.channels + c] * weights[k];
        *out++ = rounded(sum);
      }
    }
  }
  return result;
}

Frames resize_rows(const Frames& frames, int64_t height, ResizeFilter filter) {
  const auto& shape = frames.shape();
  const auto table = filter_weights(shape.height, height, filter);
  const int64_t stride = shape.width * shape.channels;
  Frames result(PixelType::kU8, {shape.frames, height, shape.width, shape.channels});
  std::vector<int32_t> sums(stride);
  for (int64_t t = 0; t < shape.frames; ++t)
    for (int64_t y = 0; y < height; ++y) {
      const auto [first, count] = table.spans[y];
      std::fill(sums.begin(), sums.end(), 1 << (kWeightBits - 1));
      for (int64_t k = 0; k < count; ++k) {
        const uint8_t* in = frames.u8() + (t * shape.height + first + k) * stride;
        const int32_t weight = table.weights[y * table.taps + k];
        for (int64_t i = 0; i < stride; ++i) sums[i] += in[i] * weight;
      }
      uint8_t* out = result.u8() + (t * height + y) * stride;
      for (int64_t i = 0; i < stride; ++i) out[i] = rounded(sums[i]);
    }
  return result;
}

int64_t centred_offset(int64_t size, int64_t crop) {
  if (size < crop) return -((crop - size) / 2);
  const int64_t rest = size - crop, half = rest / 2;
  return rest % 2 == 0 ? half : half + half % 2;  // a half goes to the even neighbour
}

}  // namespace

Frames resize(const Frames& frames, int64_t height, int64_t width, ResizeFilter filter) {
  require_pixels(frames, "resize", false);
  const auto& shape = frames.shape();
  if (height < 1 || width < 1 || shape.height < 1 || shape.width < 1)
    throw DataError("resize: expected sizes of at least 1x1, found " + std::to_string(shape.height) + "x" + std::to_string(shape.width) + " to " +
                    std::to_string(height) + "x" + std::to_string(width));
  if (shape.width == width) return shape.height == height ? frames : resize_rows(frames, height, filter);
  const Frames narrowed = resize_columns(frames, width, filter);
  return shape.height == height ? narrowed : resize_rows(narrowed, height, filter);
}

PictureSize size_with_short_side(PictureSize size, int64_t short_side) {
  const auto longer = [&](int64_t long_side, int64_t current_short) {
    return static_cast<int64_t>(static_cast<double>(short_side * long_side) / static_cast<double>(current_short));
  };
  if (size.width <= size.height) return {longer(size.height, size.width), short_side};
  return {short_side, longer(size.width, size.height)};
}

Box centre_crop_box(PictureSize size, PictureSize crop) {
  return {centred_offset(size.height, crop.height), centred_offset(size.width, crop.width), crop.height, crop.width};
}

}  // namespace liere
