#include "data/datasets/arrows.h"

#include <algorithm>
#include <cstring>

#include "core/check.h"
#include "core/log.h"
#include "core/rng.h"
#include "data/datasets/picture_request.h"

namespace liere {
namespace {

/// Cells of the grid that are still free, drawn without replacement.
class FreeCells {
 public:
  explicit FreeCells(int64_t cells) : taken_(cells) {}
  void take(int64_t cell) { taken_[cell] = true; }
  int64_t draw(Rng& rng) {
    int64_t cell;
    do cell = rng.integer(static_cast<int64_t>(taken_.size()));
    while (taken_[cell]);
    take(cell);
    return cell;
  }

 private:
  std::vector<bool> taken_;
};

/// Directions of the arrows beside the answer such that all arrows together hold each direction equally often. Where the number of arrows is no
/// multiple of 4, the directions that occur once more are drawn independently of the answer.
std::vector<Direction> balanced_directions(Rng& rng, int64_t arrows, Direction label) {
  const auto surplus = rng.permutation(kDirections);
  std::vector<Direction> rest;
  for (int64_t d = 0; d < kDirections; ++d) {
    const auto direction = static_cast<Direction>(surplus[d]);
    const int64_t count = arrows / kDirections + (d < arrows % kDirections ? 1 : 0) - (direction == label ? 1 : 0);
    rest.insert(rest.end(), count, direction);
  }
  std::vector<Direction> shuffled;
  for (const int64_t i : rng.permutation(static_cast<int64_t>(rest.size()))) shuffled.push_back(rest[i]);
  return shuffled;
}

Rng stream(const ArrowsConfig& config, Split split, int64_t index) {
  return Rng(config.seed, Purpose::kArrows, split == Split::kTrain ? 0 : 1, static_cast<uint32_t>(index));
}

void check_config(const ArrowsConfig& config, int64_t grid) {
  const int64_t objects = static_cast<int64_t>(config.letters.size()) + config.arrows;
  if (config.letters.empty() || config.letters.back() != 'Y' || std::count(config.letters.begin(), config.letters.end(), 'Y') != 1)
    throw ConfigError("data.letters is \"" + config.letters + "\", expected letters that end in their only Y, such as ABCDEY.");
  if (const size_t unknown = config.letters.find_first_not_of(ArrowTiles::kLetters); unknown != std::string::npos)
    throw ConfigError(std::string("data.letters has '") + config.letters[unknown] + "', expected letters out of " +
                      std::string(ArrowTiles::kLetters) + ".");
  if (grid < 2 || config.cell < 8 || config.arrows < 1 || config.train_size < 1 || config.test_size < 1)
    throw ConfigError("data.grid must be at least 2, data.cell at least 8, data.arrows, data.train_size and data.test_size at least 1.");
  if (config.directions == ArrowDirections::kBalanced && config.arrows < kDirections)
    throw ConfigError("data.directions is balanced but data.arrows is " + std::to_string(config.arrows) +
                      ", expected at least 4, one for each direction.");
  if (objects > grid * grid)
    throw ConfigError("data.arrows and data.letters put " + std::to_string(objects) + " objects into a grid of " + std::to_string(grid * grid) +
                      " cells; raise data.grid or lower data.arrows.");
}

class Picture final : public Source {
 public:
  Picture(const ArrowsConfig& config, const ArrowTiles& tiles, const std::vector<uint8_t>& band, Split split, int64_t index, int64_t grid,
          int64_t label)
      : config_(config), tiles_(tiles), band_(band), split_(split), index_(index), grid_(grid), label_(label) {}

  SourceInfo info() const override {
    const int64_t side = grid_ * config_.cell;
    return {{1, side, side, 3}, label_, std::string("arrows ") + (split_ == Split::kTrain ? "train " : "test ") + std::to_string(index_)};
  }

  Frames decode(const Request& request) const override {
    const Box box = picture_box(info(), request);
    Frames frames(PixelType::kU8, {1, box.height, box.width, 3});
    for (int64_t y = 0; y < box.height; ++y) {
      const int64_t row_in_cell = (box.top + y) % config_.cell;
      std::memcpy(frames.u8() + y * box.width * 3, band_.data() + (row_in_cell * grid_ * config_.cell + box.left) * 3, box.width * 3);
    }
    const ArrowsPicture picture = arrange_arrows(config_, split_, index_, grid_);
    draw(tiles_.y(picture.base), picture.y_cell, box, frames);
    for (const auto& letter : picture.letters) draw(tiles_.letter(letter.name), letter.cell, box, frames);
    for (const auto& arrow : picture.arrows) draw(tiles_.arrow(arrow.direction), arrow.cell, box, frames);
    return frames;
  }

 private:
  /// The part of the cell that lies in the box.
  void draw(const uint8_t* tile, int64_t cell_index, const Box& box, Frames& frames) const {
    const int64_t cell = config_.cell, top = cell_index / grid_ * cell, left = cell_index % grid_ * cell;
    const int64_t first_row = std::max(top, box.top), end_row = std::min(top + cell, box.top + box.height);
    const int64_t first_column = std::max(left, box.left), end_column = std::min(left + cell, box.left + box.width);
    if (first_column >= end_column) return;
    for (int64_t row = first_row; row < end_row; ++row)
      std::memcpy(frames.u8() + ((row - box.top) * box.width + first_column - box.left) * 3, tile + ((row - top) * cell + first_column - left) * 3,
                  (end_column - first_column) * 3);
  }

  const ArrowsConfig& config_;
  const ArrowTiles& tiles_;
  const std::vector<uint8_t>& band_;
  Split split_;
  int64_t index_, grid_, label_;
};

class Arrows final : public Dataset {
 public:
  Arrows(const ArrowsConfig& config, Split split, int64_t grid) : config_(config), split_(split), grid_(grid), tiles_(config.cell) {
    for (int64_t row = 0; row < config_.cell; ++row)
      for (int64_t i = 0; i < grid_; ++i) {
        const uint8_t* line = tiles_.blank() + row * config_.cell * 3;
        band_.insert(band_.end(), line, line + config_.cell * 3);
      }
  }

  int64_t size() const override { return split_ == Split::kTrain ? config_.train_size : config_.test_size; }
  int64_t label(int64_t index) const override {
    check_index(index, size(), name());
    return stream(config_, split_, index).integer(kDirections);
  }
  std::unique_ptr<Source> open(int64_t index) const override {
    const int64_t label_of_index = label(index);
    return std::make_unique<Picture>(config_, tiles_, band_, split_, index, grid_, label_of_index);
  }
  const std::vector<std::string>& class_names() const override {
    static const std::vector<std::string> names = {"up", "right", "down", "left"};
    return names;
  }
  std::string describe() const override {
    const std::string side = std::to_string(grid_ * config_.cell), cells = std::to_string(grid_);
    return name() + ": " + format_count(size()) + " pictures " + side + "x" + side + " of " + cells + "x" + cells + " cells, " +
           std::to_string(config_.arrows) + " arrows (" + std::string(name_of(config_.directions)) + " directions), letters " + config_.letters +
           ", 4 classes, drawn from data.seed " + std::to_string(config_.seed);
  }

 private:
  std::string name() const { return split_ == Split::kTrain ? "arrows train" : "arrows test"; }

  ArrowsConfig config_;
  Split split_;
  int64_t grid_;
  ArrowTiles tiles_;
  std::vector<uint8_t> band_;  // one row of blank cells, [cell, grid * cell, 3]
};

}  // namespace

ArrowsPicture arrange_arrows(const ArrowsConfig& config, Split split, int64_t index, int64_t grid) {
  Rng rng = stream(config, split, index);
  FreeCells free(grid * grid);
  ArrowsPicture picture;
  picture.label = static_cast<Direction>(rng.integer(kDirections));  // first: Dataset::label draws nothing else
  picture.base = static_cast<Direction>(rng.integer(kDirections));

  const bool vertical = picture.base == Direction::kUp || picture.base == Direction::kDown;
  const int64_t rows = vertical ? grid - 1 : grid, columns = vertical ? grid : grid - 1;
  const int64_t place = rng.integer(rows * columns);
  const int64_t row = place / columns + (picture.base == Direction::kUp ? 1 : 0),
                column = place % columns + (picture.base == Direction::kLeft ? 1 : 0);
  const int64_t step = picture.base == Direction::kUp ? -grid : picture.base == Direction::kDown ? grid : picture.base == Direction::kLeft ? -1 : 1;
  picture.y_cell = row * grid + column;
  free.take(picture.y_cell);
  free.take(picture.y_cell + step);
  picture.arrows.push_back({picture.label, picture.y_cell + step});

  for (size_t i = 0; i + 1 < config.letters.size(); ++i) picture.letters.push_back({config.letters[i], free.draw(rng)});
  if (config.directions == ArrowDirections::kBalanced) {
    for (const Direction direction : balanced_directions(rng, config.arrows, picture.label)) picture.arrows.push_back({direction, free.draw(rng)});
  } else {
    for (int64_t i = 1; i < config.arrows; ++i) {
      const auto direction = static_cast<Direction>(rng.integer(kDirections));
      picture.arrows.push_back({direction, free.draw(rng)});
    }
  }
  return picture;
}

std::unique_ptr<Dataset> make_arrows(const ArrowsConfig& config, Split split) { return make_arrows(config, split, config.grid); }

std::unique_ptr<Dataset> make_arrows(const ArrowsConfig& config, Split split, int64_t grid_override) {
  check_config(config, grid_override);
  return std::make_unique<Arrows>(config, split, grid_override);
}

}  // namespace liere
