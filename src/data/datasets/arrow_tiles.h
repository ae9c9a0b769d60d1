// The drawn cells of the arrow task: letters and arrows as strokes on an 11 x 11 design grid, rendered once for a given cell size with 8 x 8 samples
// per pixel. All letters have one colour, all arrows another, so that colour says nothing about the answer. Every cell carries the same faint line at
// its top and left edge: a person sees the cells, and a model learns nothing about where a cell is. Only +, -, *, / and comparisons: the same bytes
// on every machine.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace liere {

/// The directions in label order.
enum class Direction { kUp, kRight, kDown, kLeft };
constexpr int64_t kDirections = 4;

class ArrowTiles {
 public:
  /// Letters that have a shape.
  static constexpr std::string_view kLetters = "ABCDEY";

  /// Tiles of cell x cell pixels, cell >= 8.
  explicit ArrowTiles(int64_t cell);

  /// [cell, cell, 3] u8.
  const uint8_t* blank() const { return blank_.data(); }
  const uint8_t* letter(char name) const { return letters_[kLetters.find(name)].data(); }
  const uint8_t* arrow(Direction direction) const { return arrows_[static_cast<size_t>(direction)].data(); }
  /// The letter Y with its base (the stem's end) towards `base`: kDown is upright.
  const uint8_t* y(Direction base) const { return ys_[static_cast<size_t>(base)].data(); }

 private:
  using Tile = std::vector<uint8_t>;
  Tile blank_;
  std::vector<Tile> letters_, arrows_, ys_;
};

}  // namespace liere
