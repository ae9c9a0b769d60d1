#include "data/datasets/arrow_tiles.h"

#include <algorithm>
#include <array>

namespace liere {
namespace {

constexpr int kDesign = 11;  // side of the grid that shapes are designed on; pixel centres of a cell of 12 lie at .5
constexpr int kSamples = 8;  // per pixel and axis
constexpr double kLetterRadius = 0.8, kShaftRadius = 0.95;

using Colour = std::array<int, 3>;
constexpr Colour kBackground = {250, 250, 246}, kLine = {222, 222, 216}, kLetterColour = {22, 44, 120}, kArrowColour = {206, 48, 28};

struct Point {
  double x, y;
};
/// Polylines of one thickness, and at most one filled triangle.
struct Shape {
  std::vector<std::vector<Point>> strokes;
  double radius;
  std::vector<Point> triangle;
};
using Mask = std::vector<int>;  // [side, side]: covered samples of a pixel, 0..kSamples^2

Shape letter_shape(char name) {
  switch (name) {
    case 'A':
      return {{{{1.9, 9.6}, {5.5, 1.4}, {9.1, 9.6}}, {{3.2, 6.8}, {7.8, 6.8}}}, kLetterRadius, {}};
    case 'B':
      return {{{{6.0, 5.4}, {7.7, 4.4}, {7.7, 2.5}, {6.2, 1.5}, {2.6, 1.5}, {2.6, 9.5}, {6.6, 9.5}, {8.4, 8.4}, {8.4, 6.4}, {6.6, 5.4}, {2.6, 5.4}}},
              kLetterRadius,
              {}};
    case 'C':
      return {{{{8.6, 3.0}, {7.1, 1.5}, {4.5, 1.5}, {2.6, 3.4}, {2.6, 7.6}, {4.5, 9.5}, {7.1, 9.5}, {8.6, 8.0}}}, kLetterRadius, {}};
    case 'D':
      return {{{{2.6, 1.5}, {2.6, 9.5}, {5.9, 9.5}, {8.5, 7.2}, {8.5, 3.8}, {5.9, 1.5}, {2.6, 1.5}}}, kLetterRadius, {}};
    case 'E':
      return {{{{8.2, 1.5}, {2.6, 1.5}, {2.6, 9.5}, {8.2, 9.5}}, {{2.6, 5.5}, {7.2, 5.5}}}, kLetterRadius, {}};
    default:  // Y
      return {{{{1.9, 1.4}, {5.5, 5.3}, {9.1, 1.4}}, {{5.5, 5.3}, {5.5, 9.6}}}, kLetterRadius, {}};
  }
}

Shape arrow_shape() { return {{{{5.5, 9.5}, {5.5, 4.0}}}, kShaftRadius, {{5.5, 0.5}, {1.4, 5.6}, {9.6, 5.6}}}; }

bool near_segment(Point p, Point a, Point b, double radius) {
  const double dx = b.x - a.x, dy = b.y - a.y;
  const double t = std::clamp(((p.x - a.x) * dx + (p.y - a.y) * dy) / (dx * dx + dy * dy), 0.0, 1.0);
  const double ex = p.x - a.x - t * dx, ey = p.y - a.y - t * dy;
  return ex * ex + ey * ey <= radius * radius;
}

bool in_triangle(Point p, const std::vector<Point>& corners) {
  bool left = false, right = false;
  for (size_t i = 0; i < 3; ++i) {
    const Point a = corners[i], b = corners[(i + 1) % 3];
    const double cross = (b.x - a.x) * (p.y - a.y) - (b.y - a.y) * (p.x - a.x);
    left |= cross > 0;
    right |= cross < 0;
  }
  return !(left && right);
}

bool covers(const Shape& shape, Point p) {
  if (!shape.triangle.empty() && in_triangle(p, shape.triangle)) return true;
  for (const auto& stroke : shape.strokes)
    for (size_t i = 0; i + 1 < stroke.size(); ++i)
      if (near_segment(p, stroke[i], stroke[i + 1], shape.radius)) return true;
  return false;
}

Mask render(const Shape& shape, int64_t side) {
  Mask mask(side * side);
  const double step = static_cast<double>(kDesign) / static_cast<double>(side * kSamples);
  for (int64_t y = 0; y < side * kSamples; ++y)
    for (int64_t x = 0; x < side * kSamples; ++x)
      mask[y / kSamples * side + x / kSamples] += covers(shape, {(static_cast<double>(x) + 0.5) * step, (static_cast<double>(y) + 0.5) * step});
  return mask;
}

Mask turned_clockwise(const Mask& mask, int64_t side, int quarters) {
  Mask result = mask;
  for (int turn = 0; turn < quarters; ++turn) {
    const Mask before = result;
    for (int64_t y = 0; y < side; ++y)
      for (int64_t x = 0; x < side; ++x) result[y * side + x] = before[(side - 1 - x) * side + y];
  }
  return result;
}

/// The shape's mask fills the cell right of and below its lines.
std::vector<uint8_t> paint(const Mask& mask, int64_t cell, const Colour& colour) {
  constexpr int kFull = kSamples * kSamples;
  std::vector<uint8_t> tile(cell * cell * 3);
  for (int64_t y = 0; y < cell; ++y)
    for (int64_t x = 0; x < cell; ++x)
      for (int c = 0; c < 3; ++c) {
        const bool line = y == 0 || x == 0;
        const int covered = line ? 0 : mask[(y - 1) * (cell - 1) + x - 1];
        const int value = line ? kLine[c] : (kBackground[c] * (kFull - covered) + colour[c] * covered + kFull / 2) / kFull;
        tile[(y * cell + x) * 3 + c] = static_cast<uint8_t>(value);
      }
  return tile;
}

}  // namespace

ArrowTiles::ArrowTiles(int64_t cell) {
  const int64_t side = cell - 1;
  blank_ = paint(Mask(side * side), cell, kBackground);
  for (const char name : kLetters) letters_.push_back(paint(render(letter_shape(name), side), cell, kLetterColour));
  const Mask up = render(arrow_shape(), side), upright = render(letter_shape('Y'), side);
  for (int direction = 0; direction < kDirections; ++direction) {
    arrows_.push_back(paint(turned_clockwise(up, side, direction), cell, kArrowColour));
    ys_.push_back(paint(turned_clockwise(upright, side, (direction + 2) % 4), cell, kLetterColour));
  }
}

}  // namespace liere
