// Resampling of CT volumes by its rules: means over areas, lines stay lines, millimetres stay millimetres.
#include <algorithm>
#include <cmath>

#include "core/check.h"
#include "core/rng.h"
#include "data/volumes/resample.h"
#include "data/volumes/volume_cache.h"
#include "support/catch.h"

using namespace liere;

namespace {

template <class F>
Frames made(int64_t slices, int64_t rows, int64_t columns, F&& value) {
  Frames volume(PixelType::kI16, {slices, rows, columns, 1});
  int16_t* out = volume.i16();
  for (int64_t z = 0; z < slices; ++z)
    for (int64_t y = 0; y < rows; ++y)
      for (int64_t x = 0; x < columns; ++x) *out++ = static_cast<int16_t>(value(z, y, x));
  return volume;
}

int at(const Frames& volume, int64_t z, int64_t y, int64_t x) { return volume.i16()[(z * volume.shape().height + y) * volume.shape().width + x]; }

/// The rule by itself, in double: integral over what is covered, or the line between two centres.
double covered(const std::vector<double>& in, double begin, double end) {
  double sum = 0;
  for (size_t i = 0; i < in.size(); ++i)
    sum += in[i] * std::max(0.0, std::min(end, static_cast<double>(i + 1)) - std::max(begin, static_cast<double>(i)));
  return sum / (end - begin);
}
double between(const std::vector<double>& in, double position) {
  position = std::clamp(position, 0.0, static_cast<double>(in.size() - 1));
  const auto first = static_cast<size_t>(position);
  const double part = position - static_cast<double>(first);
  return part == 0 ? in[first] : (1 - part) * in[first] + part * in[first + 1];
}
std::vector<double> axis(const std::vector<double>& in, int64_t outputs, bool area) {
  const double scale = static_cast<double>(in.size()) / static_cast<double>(outputs);
  std::vector<double> out;
  for (int64_t k = 0; k < outputs; ++k) {
    const auto at = static_cast<double>(k);
    out.push_back(area && scale >= 1 ? covered(in, at * scale, (at + 1) * scale) : between(in, (at + 0.5) * scale - 0.5));
  }
  return out;
}

CtVolume ct(Frames hu, std::array<double, 3> spacing) {
  CtVolume volume;
  volume.hu = std::move(hu);
  volume.spacing_mm = spacing;
  return volume;
}

}  // namespace

TEST_CASE("resample: equals the rule in double on random sizes, within rounding", "[volumes]") {
  Rng rng(7, Purpose::kAugmentation, 0, 0, 0);
  for (int round = 0; round < 60; ++round) {
    const auto size = [&](int64_t most) { return 1 + static_cast<int64_t>(rng.integer(static_cast<uint32_t>(most))); };
    const int64_t D = size(9), H = size(40), W = size(40), d = size(12), h = size(30), w = size(30);
    const auto volume = made(D, H, W, [&](int64_t, int64_t, int64_t) { return static_cast<int>(rng.integer(4096)) - 1024; });
    const auto out = resample_to(volume, d, h, w);
    REQUIRE(out.shape() == FrameShape{d, h, w, 1});
    // Separable: rows, columns, slices.
    std::vector<std::vector<std::vector<double>>> planes(static_cast<size_t>(D));
    for (int64_t z = 0; z < D; ++z) {
      std::vector<std::vector<double>> by_column;  // [w][H]
      std::vector<std::vector<double>> lines;
      for (int64_t y = 0; y < H; ++y) {
        std::vector<double> line;
        for (int64_t x = 0; x < W; ++x) line.push_back(at(volume, z, y, x));
        lines.push_back(axis(line, w, true));
      }
      for (int64_t x = 0; x < w; ++x) {
        std::vector<double> column;
        for (int64_t y = 0; y < H; ++y) column.push_back(lines[static_cast<size_t>(y)][static_cast<size_t>(x)]);
        by_column.push_back(axis(column, h, true));
      }
      planes[static_cast<size_t>(z)] = by_column;
    }
    for (int64_t y = 0; y < h; ++y)
      for (int64_t x = 0; x < w; ++x) {
        std::vector<double> depth;
        for (int64_t z = 0; z < D; ++z) depth.push_back(planes[static_cast<size_t>(z)][static_cast<size_t>(x)][static_cast<size_t>(y)]);
        const auto expected = axis(depth, d, false);
        for (int64_t z = 0; z < d; ++z) REQUIRE(std::abs(at(out, z, y, x) - expected[static_cast<size_t>(z)]) <= 0.5 + 2e-3);
      }
  }
}

TEST_CASE("resample: what is constant stays so, lines stay lines, equal sizes change nothing", "[volumes]") {
  const auto constant = made(7, 33, 21, [](auto...) { return -777; });
  const auto same = resample_to(constant, 5, 50, 9);
  CHECK(std::all_of(same.i16(), same.i16() + same.shape().elements(), [](int16_t v) { return v == -777; }));

  const auto ramp = made(8, 16, 32, [](int64_t z, int64_t y, int64_t x) { return 100 * z + 10 * y + 2 * x; });
  const auto half = resample_to(ramp, 8, 8, 16);  // a mean of two neighbours lies in their middle
  for (int64_t z = 0; z < 8; ++z)
    for (int64_t y = 0; y < 8; ++y)
      for (int64_t x = 0; x < 16; ++x) REQUIRE(at(half, z, y, x) == 100 * z + 10 * 2 * y + 5 + 2 * 2 * x + 1);
  const auto twice = resample_to(ramp, 16, 16, 32);  // away from the edges, which are continued
  for (int64_t z = 1; z < 15; ++z) REQUIRE(at(twice, z, 3, 4) == 100 * (z / 2) + (z % 2 ? 25 : -25) + 38);
  CHECK(at(twice, 0, 0, 0) == 0);
  const auto equal = resample_to(ramp, 8, 16, 32);
  CHECK(std::equal(ramp.i16(), ramp.i16() + ramp.shape().elements(), equal.i16()));

  const auto thirds = resample_to(made(1, 1, 3, [](int64_t, int64_t, int64_t x) { return x * 30; }), 1, 1, 2);  // [0, 1.5): 2/3 of 0, 1/3 of 30
  CHECK((at(thirds, 0, 0, 0) == 10 && at(thirds, 0, 0, 1) == 50));
}

TEST_CASE("resample: spacing grid keeps extents, iso keeps millimetres and pads with air or crops around the centre", "[volumes]") {
  std::array<double, 3> spacing{};
  const auto volume =
      ct(made(10, 64, 48, [](int64_t, int64_t y, int64_t x) { return y >= 24 && y < 40 && x >= 16 && x < 32 ? 1000 : 0; }), {5, 0.5, 0.5});
  resample_volume(volume, {.slices = 5, .rows = 32, .columns = 16}, spacing);
  CHECK((spacing == std::array<double, 3>{10, 1, 1.5}));
  // 50 x 32 x 24 mm at 1 mm in a cube of 40: slices cropped, rows and columns padded; the square of 8 mm stays one, in the middle.
  const auto iso = resample_volume(volume, {.slices = 40, .rows = 40, .columns = 40, .iso = true, .millimetres = 1}, spacing);
  CHECK((spacing == std::array<double, 3>{1, 1, 1}));
  CHECK(iso.shape() == FrameShape{40, 40, 40, 1});
  for (int64_t y = 0; y < 40; ++y)
    for (int64_t x = 0; x < 40; ++x) {
      const bool inside = y >= 4 && y < 36 && x >= 8 && x < 32, square = y >= 16 && y < 24 && x >= 16 && x < 24;
      REQUIRE(at(iso, 20, y, x) == (square ? 1000 : inside ? 0 : -1024));
    }
  const auto thin = resample_volume(ct(made(2, 4, 4, [](auto...) { return 5; }), {0.4, 1, 1}),
                                    {.slices = 3, .rows = 4, .columns = 4, .iso = true, .millimetres = 1}, spacing);
  CHECK((at(thin, 0, 0, 0) == -1024 && at(thin, 1, 0, 0) == 5 && at(thin, 2, 0, 0) == -1024));
  CHECK_THROWS_WITH(resample_volume(ct(made(2, 2, 2, [](auto...) { return 0; }), {0, 1, 1}), {.iso = true}, spacing),
                    Catch::Contains("without a spacing"));
  CHECK_THROWS_WITH(resample_volume(CtVolume{}, {}, spacing), Catch::Contains("not empty"));
}

TEST_CASE("resample: iso makes the same values whether it crops or not, and a volume of metres no more than what is kept", "[volumes]") {
  std::array<double, 3> spacing{};
  Rng rng(11, Purpose::kAugmentation, 0, 0, 0);
  const auto volume = ct(made(9, 37, 50, [&](auto...) { return static_cast<int>(rng.integer(4096)) - 1024; }), {4.7, 0.61, 0.83});
  VolumeCacheSettings settings{.slices = 60, .rows = 40, .columns = 60, .iso = true, .millimetres = 0.9};  // 47 x 25 x 46 voxels
  const auto whole = resample_volume(volume, settings, spacing);
  settings.slices = 20, settings.rows = 13, settings.columns = 15;
  const auto middle = resample_volume(volume, settings, spacing);
  const auto is_air = [&](int64_t z, int64_t y, int64_t x) { return at(whole, z, y, x) == -1024; };
  int inside = 0;
  for (int64_t z = 0; z < 60; ++z) inside += !is_air(z, 20, 30) || !is_air(z, 21, 31);
  CHECK(inside == 47);
  // Padded by 6, 7 and 7 before, cropped by 14 (of 27), 6 and 16 (of 31).
  for (int64_t z = 0; z < 20; ++z)
    for (int64_t y = 0; y < 13; ++y)
      for (int64_t x = 0; x < 15; ++x) REQUIRE(at(middle, z, y, x) == at(whole, z + 6 + 14, y + 7 + 6, x + 7 + 16));

  const auto metres = ct(made(4, 6, 8, [](int64_t z, int64_t y, int64_t x) { return 100 * z + 10 * y + x; }), {1e6, 5e5, 1e300});
  const auto centre = resample_volume(metres, {.slices = 4, .rows = 4, .columns = 4, .iso = true, .millimetres = 1}, spacing);
  CHECK(centre.shape() == FrameShape{4, 4, 4, 1});
  // All of it within a millionth of the middle, 150 + 25 + 3.5.
  for (int64_t i = 0; i < centre.shape().elements(); ++i) REQUIRE((centre.i16()[i] == 178 || centre.i16()[i] == 179));
  for (const double bad : {0.0, -1.0, std::nan(""), 1e308, 1e-320})
    CHECK_THROWS_WITH(resample_volume(ct(made(20, 2, 2, [](auto...) { return 0; }), {bad, 1, 1}), {.iso = true}, spacing),
                      Catch::Contains("without a spacing"));
}

TEST_CASE("resample: a volume mirrored along any axis gives the mirrored result", "[volumes]") {
  std::array<double, 3> spacing{};
  Rng rng(13, Purpose::kAugmentation, 0, 0, 0);
  const int64_t D = 9, H = 23, W = 31;
  const auto volume = made(D, H, W, [&](auto...) { return static_cast<int>(rng.integer(4096)) - 1024; });
  // Grid; iso of 45 x 12 x 16 voxels of 1 mm, of which an even number is cut away or added.
  for (const VolumeCacheSettings& settings :
       {VolumeCacheSettings{.slices = 6, .rows = 10, .columns = 47}, VolumeCacheSettings{.slices = 31, .rows = 16, .columns = 10, .iso = true}}) {
    const auto result = resample_volume(ct(volume, {5, 0.52, 0.52}), settings, spacing);
    const auto& to = result.shape();
    for (int axis = 0; axis < 3; ++axis) {
      const auto turned = made(D, H, W, [&](int64_t z, int64_t y, int64_t x) {
        return at(volume, axis == 0 ? D - 1 - z : z, axis == 1 ? H - 1 - y : y, axis == 2 ? W - 1 - x : x);
      });
      const auto other = resample_volume(ct(turned, {5, 0.52, 0.52}), settings, spacing);
      for (int64_t z = 0; z < to.frames; ++z)
        for (int64_t y = 0; y < to.height; ++y)
          for (int64_t x = 0; x < to.width; ++x) {
            const int mirrored = at(other, axis == 0 ? to.frames - 1 - z : z, axis == 1 ? to.height - 1 - y : y, axis == 2 ? to.width - 1 - x : x);
            REQUIRE(std::abs(at(result, z, y, x) - mirrored) <= 1);  // sums in another order
          }
    }
  }
}
