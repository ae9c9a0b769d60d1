#include "data/transforms/resize.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "core/instruction_set.h"
#include "data/transforms/resize_passes.h"
#include "data/transforms/rgb.h"

namespace liere {
namespace {

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

double support_of(ResizeFilter filter, double stretch) { return (filter == ResizeFilter::kBilinear ? 1.0 : 2.0) * stretch; }

/// The inputs that output i reads, [first, end).
struct Reach {
  int64_t first, end;
};
Reach reach_of(int64_t i, int64_t size_in, double scale, double support) {
  const double centre = (static_cast<double>(i) + 0.5) * scale;
  return {std::max<int64_t>(0, static_cast<int64_t>((centre - support) + 0.5)),
          std::min<int64_t>(size_in, static_cast<int64_t>((centre + support) + 0.5))};
}

/// One axis: outputs [begin, begin + count) of the resize from size_in to size_out, reading an input whose first index is `origin`.
struct Axis {
  int64_t size_in, size_out, begin, count, origin;
  bool unchanged() const { return size_in == size_out; }
  double scale() const { return static_cast<double>(size_in) / static_cast<double>(size_out); }

  /// What these outputs read of the whole input.
  Reach reach(ResizeFilter filter) const {
    if (unchanged()) return {begin, begin + count};
    const double support = support_of(filter, std::max(scale(), 1.0));
    return {reach_of(begin, size_in, scale(), support).first, reach_of(begin + count - 1, size_in, scale(), support).end};
  }
};

struct WeightTable {
  int64_t taps = 0, groups = 0;
  std::vector<ResizeWeights::Span> spans;
  std::vector<int32_t> weights;
  std::vector<int16_t> parts;
  ResizeWeights view() const { return {static_cast<int64_t>(spans.size()), taps, spans.data(), weights.data(), groups, parts.data()}; }
};

WeightTable filter_weights(const Axis& axis, ResizeFilter filter) {
  const auto kernel = filter == ResizeFilter::kBilinear ? triangle : cubic;
  const double scale = axis.scale(), stretch = std::max(scale, 1.0), support = support_of(filter, stretch), inverse = 1.0 / stretch;
  WeightTable result;
  result.taps = static_cast<int64_t>(std::ceil(support)) * 2 + 1;
  result.spans.resize(axis.count);
  result.weights.resize(axis.count * result.taps);
  std::vector<double> exact(result.taps);
  for (int64_t i = 0; i < axis.count; ++i) {
    const double centre = (static_cast<double>(axis.begin + i) + 0.5) * scale;
    const auto [first, end] = reach_of(axis.begin + i, axis.size_in, scale, support);
    double sum = 0;
    for (int64_t k = first; k < end; ++k) sum += exact[k - first] = kernel(((static_cast<double>(k) - centre) + 0.5) * inverse);
    int32_t* out = result.weights.data() + i * result.taps;
    for (int64_t k = 0; k < end - first; ++k) {
      const double weight = (sum != 0 ? exact[k] / sum : exact[k]) * (1 << kResizeWeightBits);
      out[k] = static_cast<int32_t>(weight < 0 ? weight - 0.5 : weight + 0.5);
    }
    result.spans[i] = {first - axis.origin, end - first};
    result.groups = std::max(result.groups, (end - first + 3) / 4);
  }
  return result;
}

/// filter_weights with the 16-bit parts (ResizeWeights::parts).
WeightTable column_weights(const Axis& axis, ResizeFilter filter) {
  WeightTable result = filter_weights(axis, filter);
  result.parts.resize(axis.count * result.groups * 32);
  int16_t* out = result.parts.data();
  for (int64_t x = 0; x < axis.count; ++x)
    for (int64_t group = 0; group < result.groups; ++group, out += 32)
      for (int64_t tap = 0; tap < 4; ++tap) {
        const int64_t k = group * 4 + tap;
        const int32_t weight = k < result.spans[x].count ? result.weights[x * result.taps + k] : 0;
        for (int64_t channel = 0; channel < 4; ++channel) {
          const int64_t place = tap / 2 * 8 + channel * 2 + tap % 2;
          out[place] = static_cast<int16_t>(weight & ((1 << kResizeLowBits) - 1));
          out[16 + place] = static_cast<int16_t>(weight >> kResizeLowBits);
        }
      }
  return result;
}

const ResizePasses& resize_passes() { return instruction_set() >= InstructionSet::kAvx2 ? resize_avx2::kPasses : resize_baseline::kPasses; }

std::string size_text(int64_t height, int64_t width) { return std::to_string(height) + "x" + std::to_string(width); }
std::string box_text(const Box& box) {
  return size_text(box.height, box.width) + " at (" + std::to_string(box.top) + ", " + std::to_string(box.left) + ")";
}

bool contains(const Box& outer, const Box& inner) {
  return inner.top >= outer.top && inner.left >= outer.left && inner.top + inner.height <= outer.top + outer.height &&
         inner.left + inner.width <= outer.left + outer.width;
}

void require_window(PictureSize full, PictureSize resized, const Box& window) {
  if (full.height < 1 || full.width < 1 || resized.height < 1 || resized.width < 1)
    throw DataError("resize: expected sizes of at least 1x1, found " + size_text(full.height, full.width) + " to " +
                    size_text(resized.height, resized.width));
  if (window.height < 1 || window.width < 1 || !contains({0, 0, resized.height, resized.width}, window))
    throw DataError("resize: expected a window inside the resized picture of " + size_text(resized.height, resized.width) + ", found " +
                    box_text(window));
}

int64_t centred_offset(int64_t size, int64_t crop) {
  if (size < crop) return -((crop - size) / 2);
  const int64_t rest = size - crop, half = rest / 2;
  return rest % 2 == 0 ? half : half + half % 2;  // a half goes to the even neighbour
}

}  // namespace

Frames resize(const Frames& frames, int64_t height, int64_t width, ResizeFilter filter) {
  const auto& shape = frames.shape();
  if (shape.height == height && shape.width == width && height > 0 && width > 0) {
    require_pixels(frames, "resize", false);
    return frames;
  }
  const Box all{0, 0, shape.height, shape.width};
  return resize_window(frames, all, {shape.height, shape.width}, {height, width}, {0, 0, height, width}, filter);
}

Box resize_source_box(PictureSize full, PictureSize resized, const Box& window, ResizeFilter filter) {
  require_window(full, resized, window);
  const auto rows = Axis{full.height, resized.height, window.top, window.height, 0}.reach(filter);
  const auto columns = Axis{full.width, resized.width, window.left, window.width, 0}.reach(filter);
  return {rows.first, columns.first, rows.end - rows.first, columns.end - columns.first};
}

Frames resize_window(const Frames& frames, const Box& source, PictureSize full, PictureSize resized, const Box& window, ResizeFilter filter) {
  require_pixels(frames, "resize", false);
  const Box needed = resize_source_box(full, resized, window, filter);
  const auto& shape = frames.shape();
  if (shape.height != source.height || shape.width != source.width || !contains(source, needed))
    throw DataError("resize: expected pixels that cover " + box_text(needed) + ", found a picture of " + size_text(shape.height, shape.width) +
                    " said to be " + box_text(source));
  const Axis columns{full.width, resized.width, window.left, window.width, source.left},
      rows{full.height, resized.height, window.top, window.height, needed.top};
  const WeightTable column_table = columns.unchanged() ? WeightTable{} : column_weights(columns, filter);
  const WeightTable row_table = rows.unchanged() ? WeightTable{} : filter_weights(rows, filter);
  const int64_t stride_in = shape.width * shape.channels, stride = window.width * shape.channels;
  Frames result(PixelType::kU8, {shape.frames, window.height, window.width, shape.channels});
  std::vector<uint8_t> narrowed_rows(columns.unchanged() || rows.unchanged() ? 0 : needed.height * stride);
  for (int64_t t = 0; t < shape.frames; ++t) {
    const uint8_t* const frame = frames.u8() + t * shape.height * stride_in;
    // Only the rows that are read: frames of which more is there give the same.
    ResizeInput in{frame + (needed.top - source.top) * stride_in, stride_in, frame + shape.height * stride_in};
    uint8_t* const out = result.u8() + t * window.height * stride;
    if (columns.unchanged()) {
      in.pixels += (window.left - source.left) * shape.channels;
    } else {
      uint8_t* const narrowed = rows.unchanged() ? out : narrowed_rows.data();
      resize_passes().columns(in, needed.height, shape.channels, column_table.view(), narrowed);
      in = {narrowed, stride, narrowed + needed.height * stride};
    }
    if (!rows.unchanged())
      resize_passes().rows(in, stride, row_table.view(), out);
    else if (in.pixels != out)
      for (int64_t y = 0; y < window.height; ++y) std::memcpy(out + y * stride, in.pixels + y * in.stride, stride);
  }
  return result;
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
