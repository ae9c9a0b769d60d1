#include "data/transforms/affine_bicubic.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "data/transforms/bicubic_kernels.h"

namespace liere {
namespace {

/// Where output (column, row) comes from, before the half pixel is taken off.
double source_x(const AffineMatrix& a, int64_t column, int64_t row) {
  return (a[0] * (static_cast<double>(column) + 0.5) + a[1] * (static_cast<double>(row) + 0.5)) + a[2];
}
double source_y(const AffineMatrix& a, int64_t column, int64_t row) {
  return (a[3] * (static_cast<double>(column) + 0.5) + a[4] * (static_cast<double>(row) + 0.5)) + a[5];
}

/// [first, first + second) read by positions from `low` to `high` along an axis of `size`.
std::pair<int64_t, int64_t> read_range(double low, double high, int64_t size) {
  if (high < 0 || low >= static_cast<double>(size)) return {0, 1};
  const auto first = std::max<int64_t>(static_cast<int64_t>(std::floor(std::max(low, 0.0) - 0.5)) - 1, 0);
  const auto last = std::min<int64_t>(static_cast<int64_t>(std::floor(std::min(high, static_cast<double>(size)) - 0.5)) + 2, size - 1);
  return {first, last - first + 1};
}

/// One row of the result: the taps' place of each pixel in the picture (second column and row of the four) and the distances from it. Pixels in
/// [begin, end) are inside the picture.
struct MappedRow {
  std::vector<int32_t> columns, rows;
  std::vector<double> dx, dy, distances;  // distances: one of the two, for each value of a pixel
  int64_t begin = 0, end = 0;

  explicit MappedRow(int64_t width) : columns(width), rows(width), dx(width), dy(width), distances(width * 3) {}

  void map(const AffineMatrix& matrix, int64_t row, int64_t left, int64_t height, int64_t width) {
    const auto count = static_cast<int64_t>(columns.size());
    // Positions are monotone along a row, so those inside are neighbours.
    begin = count;
    end = 0;
    for (int64_t i = 0; i < count; ++i) {
      const double u = source_x(matrix, left + i, row), w = source_y(matrix, left + i, row);
      if (u < 0 || u >= static_cast<double>(width) || w < 0 || w >= static_cast<double>(height)) continue;
      begin = std::min(begin, i);
      end = i + 1;
      const double x = u - 0.5, y = w - 0.5, x_floor = std::floor(x), y_floor = std::floor(y);
      columns[i] = static_cast<int32_t>(x_floor);
      rows[i] = static_cast<int32_t>(y_floor);
      dx[i] = x - x_floor;
      dy[i] = y - y_floor;
    }
    begin = std::min(begin, end);
  }
};

double cubic(double v1, double v2, double v3, double v4, double d) {
  return v2 + d * ((-v1 + v3) + d * ((2.0 * (v1 - v2) + v3 - v4) + d * (-v1 + v2 - v3 + v4)));
}

/// A picture of which a part is held.
struct Part {
  Box box;
  int64_t height, width;  // of the picture
  const uint8_t* pixel(const uint8_t* frame, int64_t row, int64_t column) const {
    return frame + ((std::clamp<int64_t>(row, 0, height - 1) - box.top) * box.width + std::clamp<int64_t>(column, 0, width - 1) - box.left) * 3;
  }
};

/// Pixels near the border of the picture or of the part.
void sample_clamped(const uint8_t* frame, const Part& part, const MappedRow& mapped, int64_t begin, int64_t end, uint8_t* out) {
  for (int64_t i = begin; i < end; ++i)
    for (int c = 0; c < 3; ++c) {
      double along[4];
      for (int k = 0; k < 4; ++k) {
        const auto tap = [&](int j) { return static_cast<double>(part.pixel(frame, mapped.rows[i] - 1 + k, mapped.columns[i] - 1 + j)[c]); };
        along[k] = cubic(tap(0), tap(1), tap(2), tap(3), mapped.dx[i]);
      }
      const double value = cubic(along[0], along[1], along[2], along[3], mapped.dy[i]);
      out[i * 3 + c] = value <= 0 ? 0 : value >= 255 ? 255 : static_cast<uint8_t>(value);
    }
}

/// A run of pixels whose taps are neighbours too and lie along one axis: `step` bytes from tap to tap.
void sample_line(const uint8_t* frame, const Part& part, const MappedRow& mapped, int64_t begin, int64_t end, int64_t step, const BicubicKernels& kernels,
                 uint8_t* out) {
  const uint8_t* const centre = part.pixel(frame, mapped.rows[begin], mapped.columns[begin]);
  const uint8_t* const taps[4] = {centre - step, centre, centre + step, centre + 2 * step};
  kernels.line(taps, mapped.distances.data() + begin * 3, (end - begin) * 3, out + begin * 3);
}

enum class Along { kRow, kColumn, kBoth };

/// What a row's map interpolates along: at distance 0 the kernel gives its second value as it is.
Along direction(const MappedRow& mapped, int64_t begin, int64_t end) {
  const auto zero = [&](const std::vector<double>& values) { return std::all_of(values.begin() + begin, values.begin() + end, [](double d) { return d == 0; }); };
  return zero(mapped.dy) ? Along::kRow : zero(mapped.dx) ? Along::kColumn : Along::kBoth;
}

/// One row of all frames.
class RowSampler {
 public:
  RowSampler(const Frames& frames, const Part& part, Rgb fill, const BicubicKernels& kernels) : frames_(frames), part_(part), fill_(fill), kernels_(kernels) {}

  void sample(MappedRow& mapped, uint8_t* out, int64_t out_frame_bytes) const {
    const Box& box = part_.box;
    // The kernels read four rows, four columns and a byte of the fifth.
    const auto clear = [&](int64_t i) {
      return mapped.columns[i] - 1 >= box.left && mapped.columns[i] + 3 < box.left + box.width && mapped.rows[i] - 1 >= box.top &&
             mapped.rows[i] + 2 < box.top + box.height;
    };
    int64_t begin = mapped.begin, end = mapped.end;
    while (begin < end && !clear(begin)) ++begin;
    while (end > begin && !clear(end - 1)) --end;
    const Along along = direction(mapped, begin, end);
    if (along != Along::kBoth)
      for (int64_t i = begin; i < end; ++i)
        for (int c = 0; c < 3; ++c) mapped.distances[i * 3 + c] = along == Along::kRow ? mapped.dx[i] : mapped.dy[i];
    const auto count = static_cast<int64_t>(mapped.columns.size());
    for (int64_t t = 0; t < frames_.shape().frames; ++t, out += out_frame_bytes) {
      const uint8_t* const frame = frames_.u8() + t * box.height * box.width * 3;
      fill(out, 0, mapped.begin);
      fill(out, mapped.end, count);
      sample_clamped(frame, part_, mapped, mapped.begin, begin, out);
      sample_clamped(frame, part_, mapped, end, mapped.end, out);
      if (along == Along::kBoth)
        kernels_.pixels(frame, -(box.top * box.width + box.left) * 3, box.width * 3, mapped.columns.data() + begin, mapped.rows.data() + begin,
                        mapped.dx.data() + begin, mapped.dy.data() + begin, end - begin, out + begin * 3);
      else
        sample_runs(frame, mapped, begin, end, along == Along::kRow ? 3 : box.width * 3, out);
    }
  }

 private:
  void sample_runs(const uint8_t* frame, const MappedRow& mapped, int64_t begin, int64_t end, int64_t step, uint8_t* out) const {
    for (int64_t first = begin, next = begin; first < end; first = next) {
      do ++next;
      while (next < end && mapped.columns[next] == mapped.columns[next - 1] + 1 && mapped.rows[next] == mapped.rows[first]);
      sample_line(frame, part_, mapped, first, next, step, kernels_, out);
    }
  }
  void fill(uint8_t* row, int64_t begin, int64_t end) const {
    for (int64_t i = begin; i < end; ++i) {
      row[i * 3] = fill_.red;
      row[i * 3 + 1] = fill_.green;
      row[i * 3 + 2] = fill_.blue;
    }
  }

  const Frames& frames_;
  const Part part_;
  const Rgb fill_;
  const BicubicKernels& kernels_;
};

}  // namespace

Box affine_bicubic_source_box(int64_t height, int64_t width, const AffineMatrix& matrix, const Box& window) {
  // Rounded sums and products stay monotone in row and column: the extremes are those of the corners.
  double low_x = INFINITY, high_x = -INFINITY, low_y = INFINITY, high_y = -INFINITY;
  for (const int64_t row : {window.top, window.top + window.height - 1})
    for (const int64_t column : {window.left, window.left + window.width - 1}) {
      const double x = source_x(matrix, column, row), y = source_y(matrix, column, row);
      low_x = std::min(low_x, x);
      high_x = std::max(high_x, x);
      low_y = std::min(low_y, y);
      high_y = std::max(high_y, y);
    }
  const auto [left, columns] = read_range(low_x, high_x, width);
  const auto [top, rows] = read_range(low_y, high_y, height);
  return {top, left, rows, columns};
}

Frames affine_bicubic_window(const Frames& frames, const Box& source, int64_t height, int64_t width, const AffineMatrix& matrix, const Box& window,
                             Rgb fill, InstructionSet set) {
  require_pixels(frames, "affine");
  const auto& shape = frames.shape();
  const Box needed = affine_bicubic_source_box(height, width, matrix, window);
  if (shape.height != source.height || shape.width != source.width || needed.top < source.top || needed.left < source.left ||
      needed.top + needed.height > source.top + source.height || needed.left + needed.width > source.left + source.width)
    throw DataError("affine: expected pixels that cover what the map reads, found " + std::to_string(shape.height) + "x" + std::to_string(shape.width));
  Frames result(PixelType::kU8, {shape.frames, window.height, window.width, 3});
  const RowSampler sampler(frames, {source, height, width}, fill, bicubic_kernels(set));
  MappedRow mapped(window.width);
  const int64_t row_bytes = window.width * 3;
  for (int64_t y = 0; y < window.height; ++y) {
    mapped.map(matrix, window.top + y, window.left, height, width);
    sampler.sample(mapped, result.u8() + y * row_bytes, window.height * row_bytes);
  }
  return result;
}

}  // namespace liere
