// The synthetic spatial task of the paper (ICML text, section 5.5): letters and arrows in distinct random cells of a grid; the base of the letter Y
// points at the neighbouring cell that holds the answer, an arrow, whose direction (up, right, down, left) is the class. All else distracts. Picture
// i of a split is a pure function of (data.seed, split, i): label, direction of the base and every cell come from Rng(seed, kArrows, split, i) in
// this order: label; base; cell of the Y among those that have a neighbour there; cells of the other letters; (direction and) cell of each further
// arrow.
#pragma once

#include "data/config.h"
#include "data/dataset.h"
#include "data/datasets/arrow_tiles.h"

namespace liere {

/// What stands where: for tests and for whoever wants to know the answer without looking.
struct ArrowsPicture {
  struct Letter {
    char name;
    int64_t cell;  // row * grid + column
  };
  struct Arrow {
    Direction direction;
    int64_t cell;
  };
  Direction label, base;  // of the answer, and from the Y towards it
  int64_t y_cell;
  std::vector<Letter> letters;  // without the Y
  std::vector<Arrow> arrows;    // the answer first
};

ArrowsPicture arrange_arrows(const ArrowsConfig& config, Split split, int64_t index, int64_t grid);

/// Throws ConfigError naming the keys when the objects do not fit the grid, the letters do not end in their only Y, or have no shape.
std::unique_ptr<Dataset> make_arrows(const ArrowsConfig& config, Split split);
/// The same objects, labels and directions of the base on a grid of other size with cells of unchanged size: the paper's 168 and 276 pixels are 14
/// and 23 cells of 12.
std::unique_ptr<Dataset> make_arrows(const ArrowsConfig& config, Split split, int64_t grid_override);

}  // namespace liere
