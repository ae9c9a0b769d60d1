// The arrow task: the answer stands where the base of the Y points, everything random is uniform and independent, and a picture depends on its index
// alone.
#include "data/datasets/arrows.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <numeric>
#include <set>

#include "core/check.h"
#include "data/datasets/factory.h"
#include "support/matchers.h"

using namespace liere;
using test::has;

namespace {

using Counts = std::vector<int64_t>;

/// Pearson's statistic against equal expectations, in standard deviations above its mean: (X^2 - k) / sqrt(2 k) with k degrees of freedom. Below 4
/// for chance.
double excess(const Counts& counts) {
  const double total = static_cast<double>(std::accumulate(counts.begin(), counts.end(), int64_t(0))),
               expected = total / static_cast<double>(counts.size());
  double statistic = 0;
  for (const int64_t n : counts) statistic += (static_cast<double>(n) - expected) * (static_cast<double>(n) - expected) / expected;
  const double freedom = static_cast<double>(counts.size()) - 1;
  return (statistic - freedom) / std::sqrt(2 * freedom);
}

/// The same for independence of the rows and columns of a table.
double dependence(const std::vector<Counts>& table) {
  const size_t columns = table[0].size();
  std::vector<double> row(table.size()), column(columns);
  double total = 0, statistic = 0;
  for (size_t r = 0; r < table.size(); ++r)
    for (size_t c = 0; c < columns; ++c) {
      const auto n = static_cast<double>(table[r][c]);
      row[r] += n, column[c] += n, total += n;
    }
  for (size_t r = 0; r < table.size(); ++r)
    for (size_t c = 0; c < columns; ++c) {
      const double expected = row[r] * column[c] / total;
      statistic += (static_cast<double>(table[r][c]) - expected) * (static_cast<double>(table[r][c]) - expected) / expected;
    }
  const double freedom = static_cast<double>((table.size() - 1) * (columns - 1));
  return (statistic - freedom) / std::sqrt(2 * freedom);
}

int64_t neighbour(int64_t cell, Direction towards, int64_t grid) {
  const std::array<std::pair<int64_t, int64_t>, 4> steps = {{{-1, 0}, {0, 1}, {1, 0}, {0, -1}}};
  const int64_t row = cell / grid + steps[size_t(towards)].first, column = cell % grid + steps[size_t(towards)].second;
  return row < 0 || column < 0 || row >= grid || column >= grid ? -1 : row * grid + column;
}

bool same(const Frames& a, const Frames& b) { return a.shape() == b.shape() && std::memcmp(a.u8(), b.u8(), a.size_bytes()) == 0; }

}  // namespace

TEST_CASE("the answer stands where the base of the Y points, and all objects in cells of their own") {
  for (const auto directions : {ArrowDirections::kIndependent, ArrowDirections::kBalanced})
    for (const int64_t grid : {4, 9, 14}) {
      ArrowsConfig config;
      config.directions = directions;
      const auto dataset = make_arrows(config, Split::kTest, grid);
      for (int64_t i = 0; i < 500; ++i) {
        const auto picture = arrange_arrows(config, Split::kTest, i, grid);
        std::set<int64_t> cells = {picture.y_cell};
        for (const auto& letter : picture.letters) cells.insert(letter.cell);
        for (const auto& arrow : picture.arrows) cells.insert(arrow.cell);
        REQUIRE(picture.letters.size() == 5);
        REQUIRE(picture.arrows.size() == 8);
        REQUIRE(cells.size() == 14);
        REQUIRE(*cells.begin() >= 0);
        REQUIRE(*cells.rbegin() < grid * grid);
        REQUIRE(picture.arrows[0].cell == neighbour(picture.y_cell, picture.base, grid));
        REQUIRE(picture.arrows[0].direction == picture.label);
        REQUIRE(dataset->label(i) == int64_t(picture.label));
        REQUIRE(dataset->open(i)->info().label == int64_t(picture.label));
      }
    }
}

TEST_CASE("label and base are uniform and independent of each other and of the cells") {
  const ArrowsConfig config;
  constexpr int64_t kPictures = 40000, kGrid = 9;
  Counts labels(4), bases(4), arrow_cells(kGrid * kGrid), letter_cells(kGrid * kGrid);
  std::vector<Counts> label_base(4, Counts(4)), label_cell(4, Counts(kGrid * kGrid)), base_second(4, Counts(4)), label_second(4, Counts(4));
  std::vector<Counts> y_cells(4, Counts(kGrid * kGrid));
  for (int64_t i = 0; i < kPictures; ++i) {
    const auto picture = arrange_arrows(config, Split::kTrain, i, kGrid);
    const auto label = size_t(picture.label), base = size_t(picture.base);
    ++labels[label], ++bases[base], ++label_base[label][base], ++label_cell[label][picture.y_cell], ++y_cells[base][picture.y_cell];
    ++label_second[label][size_t(picture.arrows[1].direction)], ++base_second[base][size_t(picture.arrows[1].direction)];
    for (size_t a = 1; a < picture.arrows.size(); ++a) ++arrow_cells[picture.arrows[a].cell];
    for (const auto& letter : picture.letters) ++letter_cells[letter.cell];
  }
  CHECK(excess(labels) < 4);
  CHECK(excess(bases) < 4);
  CHECK(dependence(label_base) < 4);
  CHECK(dependence(label_cell) < 4);
  CHECK(dependence(label_second) < 4);
  CHECK(dependence(base_second) < 4);
  // Given the base, the Y is uniform on the cells that have a neighbour there; and nowhere else.
  for (size_t base = 0; base < 4; ++base) {
    Counts allowed;
    for (int64_t cell = 0; cell < kGrid * kGrid; ++cell) {
      if (neighbour(cell, Direction(base), kGrid) >= 0)
        allowed.push_back(y_cells[base][cell]);
      else
        CHECK(y_cells[base][cell] == 0);
    }
    CHECK(allowed.size() == 72);
    CHECK(excess(allowed) < 4);
  }
  // Y and answer together stand on edge cells a little less often than on others (a corner belongs to 2 pairs, an inner cell to 4), so the
  // distractors a little more often: within 2 %.
  for (const Counts* counts : {&arrow_cells, &letter_cells}) {
    const double mean = static_cast<double>(std::accumulate(counts->begin(), counts->end(), int64_t(0))) / (kGrid * kGrid);
    for (const int64_t n : *counts) CHECK(std::abs(static_cast<double>(n) / mean - 1) < 0.02 + 4 / std::sqrt(mean));
  }
}

TEST_CASE("counting arrows is worth 44.2 % with independent directions and 25 % with balanced ones") {
  // Expected share of the most frequent direction among eight arrows: E[max of multinomial(8; 1/4)] / 8 = 0.44226.
  ArrowsConfig config;
  constexpr int64_t kPictures = 20000;
  for (const auto directions : {ArrowDirections::kIndependent, ArrowDirections::kBalanced}) {
    config.directions = directions;
    int64_t right = 0;
    for (int64_t i = 0; i < kPictures; ++i) {
      const auto picture = arrange_arrows(config, Split::kTrain, i, config.grid);
      std::array<int64_t, 4> counts{};
      for (const auto& arrow : picture.arrows) ++counts[size_t(arrow.direction)];
      if (directions == ArrowDirections::kBalanced) REQUIRE(counts == std::array<int64_t, 4>{2, 2, 2, 2});
      // Ties go to an arbitrary but label-independent direction.
      std::rotate(counts.begin(), counts.begin() + i % 4, counts.end());
      right += (std::max_element(counts.begin(), counts.end()) - counts.begin() + i) % 4 == int64_t(picture.label);
    }
    const double expected = directions == ArrowDirections::kBalanced ? 0.25 : 0.44226;
    CHECK(static_cast<double>(right) / kPictures == Approx(expected).margin(4 * std::sqrt(0.25 / kPictures)));
  }
}

TEST_CASE("balanced directions stay independent of the label when four does not divide the arrows") {
  ArrowsConfig config;
  config.directions = ArrowDirections::kBalanced;
  config.arrows = 6;
  std::vector<Counts> label_counts(4, Counts(16)), label_second(4, Counts(4));
  for (int64_t i = 0; i < 20000; ++i) {
    const auto picture = arrange_arrows(config, Split::kTrain, i, config.grid);
    REQUIRE(picture.arrows.size() == 6);
    std::array<int64_t, 4> counts{};
    for (const auto& arrow : picture.arrows) ++counts[size_t(arrow.direction)];
    size_t twice = 0;
    for (size_t d = 0; d < 4; ++d) twice += counts[d] == 2 ? size_t(1) << d : 0;
    ++label_counts[size_t(picture.label)][twice];
  }
  std::vector<Counts> occurring(4);  // two of the four directions occur twice: six possibilities
  for (size_t pattern = 0; pattern < 16; ++pattern)
    for (size_t label = 0; label < 4; ++label)
      if (std::popcount(pattern) == 2)
        occurring[label].push_back(label_counts[label][pattern]);
      else
        CHECK(label_counts[label][pattern] == 0);
  CHECK(dependence(occurring) < 4);
}

TEST_CASE("a picture is a function of seed, split and index alone") {
  ArrowsConfig config;
  const auto train = make_arrows(config, Split::kTrain), again = make_dataset(config, Split::kTrain), test = make_arrows(config, Split::kTest);
  const Frames seventh = train->open(7)->decode({});
  CHECK(seventh.shape() == FrameShape{1, 108, 108, 3});
  CHECK(same(seventh, again->open(7)->decode({})));
  CHECK_FALSE(same(seventh, train->open(8)->decode({})));
  CHECK_FALSE(same(seventh, test->open(7)->decode({})));
  config.seed = 1;
  CHECK_FALSE(same(seventh, make_arrows(config, Split::kTrain)->open(7)->decode({})));
  config.seed = 0;
  config.train_size = 10;  // a shorter data set holds the same pictures
  CHECK(same(seventh, make_arrows(config, Split::kTrain)->open(7)->decode({})));
  CHECK(test->open(4)->info().name == "arrows test 4");
  CHECK(train->class_names() == std::vector<std::string>{"up", "right", "down", "left"});
}

TEST_CASE("a larger grid has the same objects and answers") {
  const ArrowsConfig config;
  const auto usual = make_arrows(config, Split::kTest), larger = make_arrows(config, Split::kTest, 14);
  CHECK(larger->open(0)->info().shape == FrameShape{1, 168, 168, 3});
  for (int64_t i = 0; i < 100; ++i) {
    CHECK(usual->label(i) == larger->label(i));
    CHECK(arrange_arrows(config, Split::kTest, i, 9).base == arrange_arrows(config, Split::kTest, i, 14).base);
  }
}

TEST_CASE("an arrow picture is decoded only in the requested box") {
  const auto dataset = make_arrows(ArrowsConfig{}, Split::kTest);
  for (int64_t i = 0; i < 20; ++i) {
    const auto source = dataset->open(i);
    const Frames whole = source->decode({});
    const Box box{5 + i, 17 - i / 2, 60 + i, 83};
    const Frames part = source->decode({{}, box});
    REQUIRE(part.shape() == FrameShape{1, box.height, box.width, 3});
    int64_t wrong = 0;
    for (int64_t y = 0; y < box.height; ++y)
      wrong += std::memcmp(part.u8() + y * box.width * 3, whole.u8() + ((box.top + y) * 108 + box.left) * 3, box.width * 3) != 0;
    CHECK(wrong == 0);
  }
  CHECK_THROWS_WITH(dataset->open(3)->decode({{}, Box{100, 0, 9, 9}}), has("arrows test 3"));
}

TEST_CASE("every drawn cell is its own tile: distinct shapes, turned exactly, of one colour") {
  for (const int64_t cell : {8, 12, 17, 64}) {
    const ArrowTiles tiles(cell);
    std::set<std::string> shapes = {std::string(reinterpret_cast<const char*>(tiles.blank()), cell * cell * 3)};
    const auto add = [&](const uint8_t* tile) { return shapes.insert(std::string(reinterpret_cast<const char*>(tile), cell * cell * 3)).second; };
    for (const char name : std::string("ABCDE")) CHECK(add(tiles.letter(name)));
    for (int d = 0; d < 4; ++d) CHECK(add(tiles.arrow(Direction(d))));
    for (int d = 0; d < 4; ++d) CHECK(add(tiles.y(Direction(d))));
    CHECK(std::memcmp(tiles.letter('Y'), tiles.y(Direction::kDown), cell * cell * 3) == 0);
    int64_t wrong = 0;
    for (int64_t y = 1; y < cell; ++y)
      for (int64_t x = 1; x < cell; ++x)
        for (int64_t c = 0; c < 3; ++c) {
          const auto at = [&](const uint8_t* tile, int64_t row, int64_t column) { return tile[(row * cell + column) * 3 + c]; };
          wrong += at(tiles.arrow(Direction::kDown), y, x) != at(tiles.arrow(Direction::kUp), cell - y, cell - x);
          wrong += at(tiles.arrow(Direction::kRight), y, x) != at(tiles.arrow(Direction::kUp), cell - x, y);
          wrong += at(tiles.y(Direction::kLeft), y, x) != at(tiles.y(Direction::kRight), cell - y, cell - x);
        }
    CHECK(wrong == 0);
    // The base of the upright Y is its one stem: the lower half is darker in the middle column than at the sides, the upper half the reverse.
    const auto red = [&](double y, double x) {  // at a place of the 11 x 11 design grid
      const auto pixel = [&](double place) { return 1 + int64_t(place / 11 * double(cell - 1)); };
      return int(tiles.y(Direction::kDown)[(pixel(y) * cell + pixel(x)) * 3]);
    };
    CHECK(red(8.5, 5.5) < red(8.5, 2.5) - 100);
    CHECK(red(2.5, 5.5) > red(2.5, 2.5) + 100);
    // An arrow's head is wider than its shaft.
    const auto ink = [&](int64_t y) {
      int64_t sum = 0;
      for (int64_t x = 1; x < cell; ++x) sum += 250 - tiles.arrow(Direction::kUp)[(y * cell + x) * 3 + 1];
      return sum;
    };
    CHECK(ink(1 + (cell - 1) * 4 / 11) > 2 * ink(1 + (cell - 1) * 8 / 11));
  }
}

TEST_CASE("contradicting keys of the arrow task are configuration errors") {
  const auto message = [](auto change) -> std::string {
    ArrowsConfig config;
    change(config);
    try {
      make_arrows(config, Split::kTrain);
    } catch (const ConfigError& error) {
      return error.what();
    }
    return "no error";
  };
  CHECK_THAT(message([](auto& c) { c.grid = 3; }), has("14 objects into a grid of 9 cells") && has("data.grid") && has("data.arrows"));
  CHECK(message([](auto& c) { c.grid = 4, c.arrows = 10; }) == "no error");  // 16 objects fill 16 cells
  CHECK_THAT(message([](auto& c) { c.letters = "ABC"; }), has("data.letters") && has("end in their only Y"));
  CHECK_THAT(message([](auto& c) { c.letters = "AYBY"; }), has("end in their only Y"));
  CHECK_THAT(message([](auto& c) { c.letters = ""; }), has("end in their only Y"));
  CHECK_THAT(message([](auto& c) { c.letters = "A?Y"; }), has("'?'") && has("ABCDEY"));
  CHECK_THAT(message([](auto& c) { c.arrows = 3, c.directions = ArrowDirections::kBalanced; }), has("data.directions") && has("at least 4"));
  CHECK_THROWS_AS(make_arrows(ArrowsConfig{}, Split::kTrain, 3), ConfigError);
}
