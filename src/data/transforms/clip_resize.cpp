#include "data/transforms/clip_resize.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "data/transforms/clip_kernels.h"
#include "data/transforms/rgb.h"

namespace liere {
namespace {

void require_inside(const Box& box, int64_t height, int64_t width, const char* what) {
  if (box.top >= 0 && box.left >= 0 && box.height >= 1 && box.width >= 1 && box.top + box.height <= height && box.left + box.width <= width) return;
  throw DataError(std::string(what) + ": expected a box inside frames of " + std::to_string(height) + "x" + std::to_string(width) + ", found " +
                  std::to_string(box.height) + "x" + std::to_string(box.width) + " at row " + std::to_string(box.top) + ", column " +
                  std::to_string(box.left));
}

/// Two neighbours of each output along one axis, and how far it is from the first to the second.
struct Taps {
  std::vector<int32_t> first, second;
  std::vector<float> l;
  std::vector<int32_t> w0, w1;  // of 2048, 8-bit only
};

/// torch: half-pixel centres, area of the border pixels extended.
Taps float_taps(int64_t in, int64_t out) {
  Taps taps;
  const float scale = static_cast<float>(in) / static_cast<float>(out);
  for (int64_t i = 0; i < out; ++i) {
    const float s = std::max(0.0f, scale * (static_cast<float>(i) + 0.5f) - 0.5f);
    const auto first = std::min<int64_t>(static_cast<int64_t>(s), in - 1);
    taps.first.push_back(static_cast<int32_t>(first));
    taps.second.push_back(static_cast<int32_t>(std::min(first + 1, in - 1)));
    taps.l.push_back(s - static_cast<float>(first));
  }
  return taps;
}

/// OpenCV, of outputs begin .. begin + count - 1. Columns beyond the border show the border's pixel alone; rows keep their weights.
Taps byte_taps(int64_t in, int64_t out, int64_t begin, int64_t count, bool columns) {
  Taps taps;
  const double scale = 1 / (static_cast<double>(out) / static_cast<double>(in));
  for (int64_t i = begin; i < begin + count; ++i) {
    auto f = static_cast<float>((static_cast<double>(i) + 0.5) * scale - 0.5);
    auto s = static_cast<int64_t>(std::floor(f));
    f -= static_cast<float>(s);
    if (columns && s < 0) s = 0, f = 0;
    if (columns && s >= in - 1) s = in - 1, f = 0;
    taps.first.push_back(static_cast<int32_t>(std::clamp<int64_t>(s, 0, in - 1)));
    taps.second.push_back(static_cast<int32_t>(std::clamp<int64_t>(s + 1, 0, in - 1)));
    // nearbyint: halves to even in the default rounding mode.
    taps.w0.push_back(static_cast<int32_t>(std::nearbyint((1.0f - f) * 2048.0f)));
    taps.w1.push_back(static_cast<int32_t>(std::nearbyint(f * 2048.0f)));
  }
  return taps;
}

void mirror(Taps& taps) {
  std::reverse(taps.first.begin(), taps.first.end());
  std::reverse(taps.second.begin(), taps.second.end());
  std::reverse(taps.l.begin(), taps.l.end());
  std::reverse(taps.w0.begin(), taps.w0.end());
  std::reverse(taps.w1.begin(), taps.w1.end());
}

/// The last two rows that were made: neighbouring outputs share them.
template <class Value>
class RowPair {
 public:
  explicit RowPair(int64_t size) : rows_{std::vector<Value>(size), std::vector<Value>(size)} {}
  void forget() { made_[0] = made_[1] = -1; }
  /// Row `index`, made by make(index, values) unless it is here; `keep` is not overwritten.
  template <class Make>
  const Value* row(int64_t index, int64_t keep, Make make) {
    for (int i = 0; i < 2; ++i)
      if (made_[i] == index) return rows_[i].data();
    const int slot = made_[0] == keep ? 1 : 0;
    make(index, rows_[slot].data());
    made_[slot] = index;
    return rows_[slot].data();
  }

 private:
  std::vector<Value> rows_[2];
  int64_t made_[2] = {-1, -1};
};

}  // namespace

NormalizedBytes normalized_bytes(const std::vector<float>& mean, const std::vector<float>& std) {
  NormalizedBytes values;
  for (size_t c = 0; c < 3; ++c)
    for (size_t p = 0; p < 256; ++p) values[c][p] = (static_cast<float>(p) / 255.0f - mean[c]) / std[c];
  return values;
}

void resize_box_normalized(const Frames& frames, const Box& box, PictureSize size, bool flip, const NormalizedBytes& values, float* out_CTHW,
                           InstructionSet set) {
  require_pixels(frames, "resize");
  const auto& shape = frames.shape();
  require_inside(box, shape.height, shape.width, "resize");
  const ClipKernels& kernels = clip_kernels(set);
  const Taps rows = float_taps(box.height, size.height);
  Taps columns = float_taps(box.width, size.width);
  if (flip) mirror(columns);
  std::vector<float> planes(box.width * 3);
  RowPair<float> pair(size.width * 3);
  const int64_t plane = size.height * size.width;
  for (int64_t t = 0; t < shape.frames; ++t) {
    pair.forget();
    const auto make = [&](int64_t row, float* made) {
      kernels.normalize(frames.u8() + ((t * shape.height + box.top + row) * shape.width + box.left) * 3, box.width, values[0].data(), planes.data());
      for (int64_t c = 0; c < 3; ++c)
        kernels.interpolate(planes.data() + c * box.width, columns.first.data(), columns.second.data(), columns.l.data(), size.width, made + c * size.width);
    };
    for (int64_t y = 0; y < size.height; ++y) {
      const float* const upper = pair.row(rows.first[y], rows.second[y], make);
      const float* const lower = pair.row(rows.second[y], rows.first[y], make);
      for (int64_t c = 0; c < 3; ++c)
        kernels.blend(upper + c * size.width, lower + c * size.width, rows.l[y], size.width, out_CTHW + (c * shape.frames + t) * plane + y * size.width);
    }
  }
}

void resize_window_normalized(const Frames& frames, PictureSize resized, const Box& window, bool flip, const NormalizedBytes& values, float* out_CTHW,
                              InstructionSet set) {
  require_pixels(frames, "resize");
  const auto& shape = frames.shape();
  require_inside(window, resized.height, resized.width, "resize");
  const ClipKernels& kernels = clip_kernels(set);
  const Taps rows = byte_taps(shape.height, resized.height, window.top, window.height, false);
  Taps columns = byte_taps(shape.width, resized.width, window.left, window.width, true);
  const int64_t left = columns.first.front(), read = columns.second.back() - left + 1;
  for (auto* indices : {&columns.first, &columns.second})
    for (int32_t& index : *indices) index -= static_cast<int32_t>(left);
  if (flip) mirror(columns);
  std::vector<uint8_t> padded(read * 3 + 1);
  RowPair<int16_t> pair(window.width * 4);
  const int64_t plane = window.height * window.width;
  for (int64_t t = 0; t < shape.frames; ++t) {
    pair.forget();
    const auto make = [&](int64_t row, int16_t* made) {
      std::memcpy(padded.data(), frames.u8() + ((t * shape.height + row) * shape.width + left) * 3, static_cast<size_t>(read * 3));
      kernels.interpolate_pixels(padded.data(), columns.first.data(), columns.second.data(), columns.w0.data(), columns.w1.data(), window.width, made);
    };
    for (int64_t y = 0; y < window.height; ++y) {
      const int16_t* const upper = pair.row(rows.first[y], rows.second[y], make);
      const int16_t* const lower = pair.row(rows.second[y], rows.first[y], make);
      kernels.blend_pixels(upper, lower, static_cast<int16_t>(rows.w0[y]), static_cast<int16_t>(rows.w1[y]), values[0].data(), window.width,
                           shape.frames * plane, out_CTHW + t * plane + y * window.width);
    }
  }
}

}  // namespace liere
