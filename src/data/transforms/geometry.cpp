#include "data/transforms/geometry.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <numbers>
#include <optional>

#include "data/transforms/pixel_kernels.h"

namespace liere {
namespace {

void put(uint8_t* pixel, Rgb colour) {
  pixel[0] = colour.red;
  pixel[1] = colour.green;
  pixel[2] = colour.blue;
}

void copy_pixel(uint8_t* to, const uint8_t* from) {
  to[0] = from[0];
  to[1] = from[1];
  to[2] = from[2];
}

void fill_pixels(uint8_t* pixels, int64_t count, Rgb colour) {
  for (int64_t i = 0; i < count; ++i) put(pixels + i * 3, colour);
}

/// Input index of each output index along one axis of a translation or scaling; -1 is outside.
std::vector<int64_t> scaled_indices(double offset, double step, int64_t size) {
  std::vector<int64_t> indices(size);
  double position = offset + step * 0.5;
  for (auto& index : indices) {
    index = position < 0 || position >= static_cast<double>(size) ? -1 : static_cast<int64_t>(position);
    position += step;
  }
  return indices;
}

/// What a scaling or translation reads along one axis: the input index of each output of a window, relative to the source, -1 outside.
std::vector<int64_t> window_indices(double offset, double step, int64_t size, int64_t window_begin, int64_t window_size, int64_t source_begin) {
  const auto whole = scaled_indices(offset, step, size);
  std::vector<int64_t> indices(whole.begin() + window_begin, whole.begin() + window_begin + window_size);
  for (auto& index : indices)
    if (index >= 0) index -= source_begin;
  return indices;
}

/// Where each column follows its neighbour, as in all translations: the range of the columns that are inside.
std::optional<std::pair<int64_t, int64_t>> contiguous_range(const std::vector<int64_t>& columns) {
  const auto begin = std::find_if(columns.begin(), columns.end(), [](int64_t column) { return column >= 0; });
  const auto end = std::find(begin, columns.end(), -1);
  if (begin == end || std::any_of(end, columns.end(), [](int64_t column) { return column >= 0; })) return std::nullopt;
  for (auto next = begin + 1; next < end; ++next)
    if (*next != *(next - 1) + 1) return std::nullopt;
  return std::pair(begin - columns.begin(), end - columns.begin());
}

Frames scale_nearest(const Frames& frames, const std::vector<int64_t>& rows, const std::vector<int64_t>& columns, Rgb fill) {
  const auto& shape = frames.shape();
  const auto width = static_cast<int64_t>(columns.size());
  const auto range = contiguous_range(columns);
  Frames result(PixelType::kU8, {shape.frames, static_cast<int64_t>(rows.size()), width, 3});
  uint8_t* out = result.u8();
  for (int64_t t = 0; t < shape.frames; ++t) {
    const uint8_t* frame = frames.u8() + t * shape.height * shape.width * 3;
    for (int64_t row : rows) {
      const uint8_t* in = frame + row * shape.width * 3;
      if (row < 0) {
        fill_pixels(out, width, fill);
      } else if (range) {
        const auto [begin, end] = *range;
        fill_pixels(out, begin, fill);
        std::memcpy(out + begin * 3, in + columns[begin] * 3, (end - begin) * 3);
        fill_pixels(out + end * 3, width - end, fill);
      } else {
        for (int64_t x = 0; x < width; ++x) {
          if (columns[x] < 0)
            put(out + x * 3, fill);
          else
            copy_pixel(out + x * 3, in + columns[x] * 3);
        }
      }
      out += width * 3;
    }
  }
  return result;
}

/// The x in [0, count) with 0 <= start + x step < limit, as [first, second).
std::pair<int64_t, int64_t> inside(int64_t start, int64_t step, int64_t limit, int64_t count) {
  const auto ceiling = [](int64_t a, int64_t b) { return a / b + (a % b > 0); };  // b > 0
  int64_t first = 0, end = 0;
  if (step > 0) {
    first = ceiling(-start, step);
    end = ceiling(limit - start, step);
  } else if (step < 0) {
    first = ceiling(start - limit + 1, -step);
    end = ceiling(start + 1, -step);
  } else if (start >= 0 && start < limit) {
    end = count;
  }
  first = std::clamp<int64_t>(first, 0, count);
  return {first, std::clamp(end, first, count)};
}

int64_t fixed_point(double value) { return static_cast<int64_t>(std::floor(value * 65536.0 + 0.5)); }

/// A general map in 16.16 fixed point: output (x, y) reads ((x0 + y xy + x xx) >> 16, (y0 + y yy + x yx) >> 16).
struct FixedMap {
  int64_t xx, xy, x0, yx, yy, y0;
  explicit FixedMap(const AffineMatrix& a)
      : xx(fixed_point(a[0])),
        xy(fixed_point(a[1])),
        x0(fixed_point((a[2] + a[0] * 0.5) + a[1] * 0.5)),
        yx(fixed_point(a[3])),
        yy(fixed_point(a[4])),
        y0(fixed_point((a[5] + a[3] * 0.5) + a[4] * 0.5)) {}
  int64_t x(int64_t column, int64_t row) const { return x0 + row * xy + column * xx; }
  int64_t y(int64_t column, int64_t row) const { return y0 + row * yy + column * yx; }
};

bool is_scaling(const AffineMatrix& matrix) { return matrix[1] == 0 && matrix[3] == 0; }

/// [first, first + second) of the indices from `low` to `high` that are in [0, size); one index where there is none.
std::pair<int64_t, int64_t> clamped_range(int64_t low, int64_t high, int64_t size) {
  if (high < 0 || low >= size || low > high) return {0, 1};
  low = std::max<int64_t>(low, 0);
  return {low, std::min(high, size - 1) - low + 1};
}

/// The same of indices of which -1 is outside.
std::pair<int64_t, int64_t> read_range(const std::vector<int64_t>& indices, int64_t size) {
  int64_t low = size, high = -1;
  for (const int64_t index : indices)
    if (index >= 0) {
      low = std::min(low, index);
      high = std::max(high, index);
    }
  return clamped_range(low, high, size);
}

double rounded_to_15_decimals(double value) {
  // Printed and read back, as Python's round() does; to_chars and from_chars know no locale.
  char text[64];
  const auto end = std::to_chars(text, text + sizeof text, value, std::chars_format::fixed, 15).ptr;
  std::from_chars(text, end, value);
  return value;
}

}  // namespace

Frames flip_horizontal(Frames frames) {
  require_pixels(frames, "flip", false);
  const auto& shape = frames.shape();
  const int64_t channels = shape.channels;
  if (channels == 3) {
    std::vector<uint8_t> unchanged(shape.width * 3);
    for (int64_t row = 0; row < shape.frames * shape.height; ++row) {
      uint8_t* const pixels = frames.u8() + row * shape.width * 3;
      std::memcpy(unchanged.data(), pixels, unchanged.size());
      pixel_kernels().reverse(unchanged.data(), pixels, shape.width);
    }
    return frames;
  }
  for (int64_t row = 0; row < shape.frames * shape.height; ++row) {
    uint8_t* left = frames.u8() + row * shape.width * channels;
    uint8_t* right = left + (shape.width - 1) * channels;
    for (; left < right; left += channels, right -= channels) std::swap_ranges(left, left + channels, right);
  }
  return frames;
}

Frames crop(const Frames& frames, const Box& box) {
  require_pixels(frames, "crop", false);
  const auto& shape = frames.shape();
  if (box.height < 1 || box.width < 1)
    throw DataError("crop: expected a box of at least 1x1, found " + std::to_string(box.height) + "x" + std::to_string(box.width));
  Frames result(PixelType::kU8, {shape.frames, box.height, box.width, shape.channels});  // zeros
  const int64_t first_row = std::max<int64_t>(box.top, 0), end_row = std::min(box.top + box.height, shape.height);
  const int64_t first_column = std::max<int64_t>(box.left, 0), end_column = std::min(box.left + box.width, shape.width);
  if (first_column >= end_column) return result;
  const size_t length = (end_column - first_column) * shape.channels;
  for (int64_t t = 0; t < shape.frames; ++t)
    for (int64_t row = first_row; row < end_row; ++row) {
      const uint8_t* in = frames.u8() + ((t * shape.height + row) * shape.width + first_column) * shape.channels;
      uint8_t* out = result.u8() + ((t * box.height + row - box.top) * box.width + first_column - box.left) * shape.channels;
      std::memcpy(out, in, length);
    }
  return result;
}

Box affine_source_box(int64_t height, int64_t width, const AffineMatrix& matrix, const Box& window) {
  if (is_scaling(matrix)) {
    const auto [left, columns] = read_range(window_indices(matrix[2], matrix[0], width, window.left, window.width, 0), width);
    const auto [top, rows] = read_range(window_indices(matrix[5], matrix[4], height, window.top, window.height, 0), height);
    return {top, left, rows, columns};
  }
  // The positions are linear in row and column: the extremes are those of the corners.
  const FixedMap map(matrix);
  int64_t low_x = INT64_MAX, high_x = INT64_MIN, low_y = INT64_MAX, high_y = INT64_MIN;
  for (const int64_t row : {window.top, window.top + window.height - 1})
    for (const int64_t column : {window.left, window.left + window.width - 1}) {
      low_x = std::min(low_x, map.x(column, row) >> 16);
      high_x = std::max(high_x, map.x(column, row) >> 16);
      low_y = std::min(low_y, map.y(column, row) >> 16);
      high_y = std::max(high_y, map.y(column, row) >> 16);
    }
  const auto [left, columns] = clamped_range(low_x, high_x, width);
  const auto [top, rows] = clamped_range(low_y, high_y, height);
  return {top, left, rows, columns};
}

Frames affine_nearest_window(const Frames& frames, const Box& source, int64_t height, int64_t width, const AffineMatrix& matrix, const Box& window,
                             Rgb fill) {
  require_pixels(frames, "affine");
  const auto& shape = frames.shape();
  const Box needed = affine_source_box(height, width, matrix, window);
  if (shape.height != source.height || shape.width != source.width || needed.top < source.top || needed.left < source.left ||
      needed.top + needed.height > source.top + source.height || needed.left + needed.width > source.left + source.width)
    throw DataError("affine: expected pixels that cover what the map reads, found " + std::to_string(shape.height) + "x" +
                    std::to_string(shape.width));
  if (is_scaling(matrix))
    return scale_nearest(frames, window_indices(matrix[5], matrix[4], height, window.top, window.height, source.top),
                         window_indices(matrix[2], matrix[0], width, window.left, window.width, source.left), fill);
  const FixedMap map(matrix);
  const int64_t frame_bytes = shape.height * shape.width * 3;
  Frames result(PixelType::kU8, {shape.frames, window.height, window.width, 3});
  uint8_t* out = result.u8();
  for (int64_t t = 0; t < shape.frames; ++t) {
    const uint8_t* frame = frames.u8() + t * frame_bytes;
    for (int64_t y = 0; y < window.height; ++y, out += window.width * 3) {
      int64_t x_in = map.x(window.left, window.top + y), y_in = map.y(window.left, window.top + y);
      const auto [left, right] = inside(x_in, map.xx, width << 16, window.width);
      const auto [above, below] = inside(y_in, map.yx, height << 16, window.width);
      const int64_t begin = std::max(left, above), end = std::max(begin, std::min(right, below));
      fill_pixels(out, begin, fill);
      x_in += begin * map.xx - (source.left << 16);
      y_in += begin * map.yx - (source.top << 16);
      for (int64_t x = begin; x < end; ++x, x_in += map.xx, y_in += map.yx) {
        const int64_t at = ((y_in >> 16) * shape.width + (x_in >> 16)) * 3;
        if (at + 4 <= frame_bytes && x + 1 < end)  // the fourth byte is the next pixel's, which is written next
          std::memcpy(out + x * 3, frame + at, 4);
        else
          copy_pixel(out + x * 3, frame + at);
      }
      fill_pixels(out + end * 3, window.width - end, fill);
    }
  }
  return result;
}

Frames affine_nearest(const Frames& frames, const AffineMatrix& matrix, Rgb fill) {
  require_pixels(frames, "affine");
  const auto& shape = frames.shape();
  const Box all{0, 0, shape.height, shape.width};
  if (shape.height < 1 || shape.width < 1) return frames;
  return affine_nearest_window(frames, all, shape.height, shape.width, matrix, all, fill);
}

AffineMatrix rotation_matrix(double degrees, int64_t height, int64_t width) {
  double angle = std::fmod(degrees, 360.0);
  if (angle < 0) angle += 360.0;
  const double radians = -(angle * (std::numbers::pi / 180.0));
  const double cosine = rounded_to_15_decimals(std::cos(radians));
  const double sine = rounded_to_15_decimals(std::sin(radians)), minus_sine = rounded_to_15_decimals(-std::sin(radians));
  const double centre_x = static_cast<double>(width) / 2, centre_y = static_cast<double>(height) / 2;
  return {cosine,     sine,   ((cosine * -centre_x + sine * -centre_y) + 0.0) + centre_x,
          minus_sine, cosine, ((minus_sine * -centre_x + cosine * -centre_y) + 0.0) + centre_y};
}

Frames rotate(Frames frames, double degrees) {
  require_pixels(frames, "rotate");
  if (std::fmod(degrees, 360.0) == 0) return frames;
  return affine_nearest(frames, rotation_matrix(degrees, frames.shape().height, frames.shape().width));
}

Frames cutout_part(Frames frames, const Box& part, int64_t height, int64_t width, double centre_x, double centre_y, double side, Rgb fill) {
  require_pixels(frames, "cutout");
  // Within the part, both ends included.
  const auto span = [side](double centre, int64_t size, int64_t part_begin, int64_t part_size) {
    const auto first = static_cast<int64_t>(std::max(0.0, centre - side / 2));
    const auto last = static_cast<int64_t>(std::min(static_cast<double>(size), static_cast<double>(first) + side));
    return std::pair(std::max<int64_t>(first - part_begin, 0), std::min(std::min(last, size - 1) - part_begin, part_size - 1));
  };
  const auto [first_column, last_column] = span(centre_x, width, part.left, part.width);
  const auto [first_row, last_row] = span(centre_y, height, part.top, part.height);
  for (int64_t t = 0; t < frames.shape().frames; ++t)
    for (int64_t row = first_row; row <= last_row; ++row)
      if (first_column <= last_column)
        fill_pixels(frames.u8() + ((t * part.height + row) * part.width + first_column) * 3, last_column - first_column + 1, fill);
  return frames;
}

Frames cutout(Frames frames, double centre_x, double centre_y, double side, Rgb fill) {
  const int64_t height = frames.shape().height, width = frames.shape().width;
  return cutout_part(std::move(frames), {0, 0, height, width}, height, width, centre_x, centre_y, side, fill);
}

}  // namespace liere
