#include "data/transforms/geometry.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>
#include <numbers>

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

Frames scale_nearest(const Frames& frames, const AffineMatrix& matrix, Rgb fill) {
  const auto& shape = frames.shape();
  const auto columns = scaled_indices(matrix[2], matrix[0], shape.width), rows = scaled_indices(matrix[5], matrix[4], shape.height);
  // Where each column follows its neighbour, as in all translations, a row is one piece between two of the fill colour.
  const auto begin = std::find_if(columns.begin(), columns.end(), [](int64_t column) { return column >= 0; }) - columns.begin();
  const auto end = std::find(columns.begin() + begin, columns.end(), -1) - columns.begin();
  bool contiguous = begin < end && std::all_of(columns.begin() + end, columns.end(), [](int64_t column) { return column < 0; });
  for (int64_t x = begin + 1; x < end; ++x) contiguous = contiguous && columns[x] == columns[x - 1] + 1;
  Frames result(PixelType::kU8, shape);
  uint8_t* out = result.u8();
  for (int64_t t = 0; t < shape.frames; ++t) {
    const uint8_t* frame = frames.u8() + t * shape.height * shape.width * 3;
    for (int64_t row : rows) {
      const uint8_t* in = frame + row * shape.width * 3;
      if (row < 0) {
        fill_pixels(out, shape.width, fill);
      } else if (contiguous) {
        fill_pixels(out, begin, fill);
        std::memcpy(out + begin * 3, in + columns[begin] * 3, (end - begin) * 3);
        fill_pixels(out + end * 3, shape.width - end, fill);
      } else {
        for (int64_t x = 0; x < shape.width; ++x) {
          if (columns[x] < 0)
            put(out + x * 3, fill);
          else
            copy_pixel(out + x * 3, in + columns[x] * 3);
        }
      }
      out += shape.width * 3;
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

Frames affine_nearest(const Frames& frames, const AffineMatrix& matrix, Rgb fill) {
  require_pixels(frames, "affine");
  if (matrix[1] == 0 && matrix[3] == 0) return scale_nearest(frames, matrix, fill);
  const auto& shape = frames.shape();
  const auto& a = matrix;
  const int64_t step_xx = fixed_point(a[0]), step_xy = fixed_point(a[1]), start_x = fixed_point((a[2] + a[0] * 0.5) + a[1] * 0.5);
  const int64_t step_yx = fixed_point(a[3]), step_yy = fixed_point(a[4]), start_y = fixed_point((a[5] + a[3] * 0.5) + a[4] * 0.5);
  const int64_t frame_bytes = shape.height * shape.width * 3;
  Frames result(PixelType::kU8, shape);
  uint8_t* out = result.u8();
  for (int64_t t = 0; t < shape.frames; ++t) {
    const uint8_t* frame = frames.u8() + t * frame_bytes;
    for (int64_t y = 0; y < shape.height; ++y, out += shape.width * 3) {
      int64_t x_in = start_x + y * step_xy, y_in = start_y + y * step_yy;
      const auto [left, right] = inside(x_in, step_xx, shape.width << 16, shape.width);
      const auto [above, below] = inside(y_in, step_yx, shape.height << 16, shape.width);
      const int64_t begin = std::max(left, above), end = std::max(begin, std::min(right, below));
      fill_pixels(out, begin, fill);
      x_in += begin * step_xx;
      y_in += begin * step_yx;
      for (int64_t x = begin; x < end; ++x, x_in += step_xx, y_in += step_yx) {
        const int64_t at = ((y_in >> 16) * shape.width + (x_in >> 16)) * 3;
        if (at + 4 <= frame_bytes && x + 1 < end)  // the fourth byte is the next pixel's, which is written next
          std::memcpy(out + x * 3, frame + at, 4);
        else
          copy_pixel(out + x * 3, frame + at);
      }
      fill_pixels(out + end * 3, shape.width - end, fill);
    }
  }
  return result;
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

Frames cutout(Frames frames, double centre_x, double centre_y, double side, Rgb fill) {
  require_pixels(frames, "cutout");
  const auto& shape = frames.shape();
  const auto span = [side](double centre, int64_t size) {
    const auto first = static_cast<int64_t>(std::max(0.0, centre - side / 2));
    const auto last = static_cast<int64_t>(std::min(static_cast<double>(size), static_cast<double>(first) + side));
    return std::pair(first, std::min(last, size - 1));
  };
  const auto [first_column, last_column] = span(centre_x, shape.width);
  const auto [first_row, last_row] = span(centre_y, shape.height);
  for (int64_t t = 0; t < shape.frames; ++t)
    for (int64_t row = first_row; row <= last_row; ++row)
      for (int64_t column = first_column; column <= last_column; ++column)
        put(frames.u8() + ((t * shape.height + row) * shape.width + column) * 3, fill);
  return frames;
}

}  // namespace liere
