// Random erasing: where it writes (against the goldens of the paper's code where they are), how often, and how large its boxes are.
#include "data/transforms/erasing.h"

#include <cmath>
#include <numeric>

#include "core/check.h"
#include "support/golden_pictures.h"

using namespace liere;
using namespace liere::test;

namespace {

Rng stream(uint32_t sample) { return Rng(6, Purpose::kAugmentation, 0, sample, 0); }

}  // namespace

TEST_CASE("erasing replaces exactly the box, every frame and channel with numbers of its own", "[erasing]") {
  const FrameShape shape{2, 7, 9, 3};
  std::vector<float> values(shape.elements(), 100.0f);
  const DrawnErasing erasing{{2, 3, 4, 5}, 17};
  erase(values.data(), shape, erasing);
  std::vector<float> noise(2 * 3 * 4 * 5);
  fill_normal(17, noise.data(), static_cast<int64_t>(noise.size()), 0, 1);
  size_t next = 0;
  for (int64_t t = 0; t < 2; ++t)
    for (int64_t c = 0; c < 3; ++c)
      for (int64_t y = 0; y < 7; ++y)
        for (int64_t x = 0; x < 9; ++x) {
          const bool inside = y >= 2 && y < 6 && x >= 3 && x < 8;
          REQUIRE(values[((c * 2 + t) * 7 + y) * 9 + x] == (inside ? noise[next++] : 100.0f));
        }
  CHECK(next == noise.size());
  CHECK_THROWS_AS(erase(values.data(), shape, {{4, 3, 4, 5}, 17}), DataError);
  CHECK_THROWS_AS(erase(values.data(), shape, {{-1, 3, 4, 5}, 17}), DataError);
}

TEST_CASE("erasing strikes with its probability, by boxes of the stated area and aspect", "[erasing]") {
  Rng untouched = stream(0), used = stream(0);
  CHECK(!draw_erasing(0, 224, 224, used));
  CHECK(used.bits32() == untouched.bits32());
  int struck = 0, narrow = 0, wide = 0;
  double area = 0;
  constexpr int kSamples = 4000;
  for (uint32_t sample = 0; sample < kSamples; ++sample) {
    Rng rng = stream(sample);
    const auto drawn = draw_erasing(0.25, 224, 200, rng);
    if (!drawn) continue;
    ++struck;
    const auto& box = drawn->box;
    REQUIRE((box.top >= 0 && box.left >= 0 && box.top + box.height <= 224 && box.left + box.width <= 200));
    const double share = static_cast<double>(box.height * box.width) / (224 * 200),
                 aspect = static_cast<double>(box.height) / static_cast<double>(box.width);
    REQUIRE((share > 0.019 && share < 0.34));
    REQUIRE((aspect > 0.28 && aspect < 3.5));
    narrow += aspect < 1;
    wide += aspect >= 1;
    area += share;
  }
  CHECK(std::abs(struck - 1000) < 110);  // 4 standard deviations
  CHECK(std::abs(narrow - wide) < 160);
  CHECK(std::abs(area / struck - 0.17) < 0.02);  // the mean of U[0.02, 1/3] is 0.177; large boxes are refused a little more often
}

TEST_CASE("erasing draws in the stated order", "[erasing]") {
  Rng rng = stream(3), expected = stream(3);
  const auto drawn = draw_erasing(1.0, 32, 48, rng);
  REQUIRE(drawn);
  CHECK(expected.coin(1.0));
  Box box;
  do {
    const double area = expected.uniform(0.02, 1.0 / 3.0) * 32 * 48,
                 aspect = portable_exp(expected.uniform(portable_log(0.3), portable_log(1 / 0.3)));
    box.height = std::lrint(std::sqrt(area * aspect));
    box.width = std::lrint(std::sqrt(area / aspect));
  } while (box.height >= 32 || box.width >= 48);
  box.top = expected.integer(32 - box.height + 1);
  box.left = expected.integer(48 - box.width + 1);
  CHECK(drawn->box == box);
  CHECK(drawn->noise_key == expected.bits64());
  CHECK(rng.bits32() == expected.bits32());
  Rng tiny = stream(4);
  CHECK(!draw_erasing(1.0, 1, 1, tiny));  // no box is smaller than the picture: given up after 100 tries
}
