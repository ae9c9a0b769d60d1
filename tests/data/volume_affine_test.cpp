// The map in the plane of a volume's slices against index arithmetic and a plain form in double, and the loops over voxels in every form.
#include "data/transforms/volume_affine.h"

#include <cmath>
#include <cstring>

#include "core/check.h"
#include "support/catch.h"

using namespace liere;

namespace {

Frames volume(FrameShape shape) {
  Frames hu(PixelType::kI16, shape);
  for (int64_t i = 0; i < shape.elements(); ++i) hu.i16()[i] = static_cast<int16_t>(i * 7919 % 4096 - 1024);
  return hu;
}

std::vector<float> mapped(const Frames& hu, const VolumeMap& map, InstructionSet set = instruction_set()) {
  const auto& shape = hu.shape();
  std::vector<float> out(static_cast<size_t>(shape.elements()));
  VolumeSampler sampler(hu, map, volume_kernels(set));
  for (int64_t y = 0; y < shape.height; ++y) {
    sampler.place(y);
    for (int64_t t = 0; t < shape.frames; ++t) sampler.sample(t, out.data() + (t * shape.height + y) * shape.width);
  }
  return out;
}

/// The value at (t, y, x), air outside.
double at(const Frames& hu, int64_t t, int64_t y, int64_t x) {
  const auto& shape = hu.shape();
  if (y < 0 || y >= shape.height || x < 0 || x >= shape.width) return kAirHu;
  return hu.i16()[(t * shape.height + y) * shape.width + x];
}

/// Every voxel of the map shows the voxel of `place(y, x)` = {row, column}, exactly.
template <class Place>
void check_places(FrameShape shape, const VolumeMap& map, Place place) {
  const Frames hu = volume(shape);
  const auto found = mapped(hu, map);
  for (int64_t t = 0; t < shape.frames; ++t)
    for (int64_t y = 0; y < shape.height; ++y)
      for (int64_t x = 0; x < shape.width; ++x) {
        const auto [row, column] = place(y, x);
        REQUIRE(static_cast<double>(found[(t * shape.height + y) * shape.width + x]) == at(hu, t, row, column));
      }
}

using Place = std::pair<int64_t, int64_t>;

}  // namespace

TEST_CASE("mirrors, quarter turns and whole shifts move voxels exactly", "[volume][affine]") {
  for (const FrameShape shape : {FrameShape{3, 7, 7, 1}, FrameShape{2, 20, 20, 1}, FrameShape{2, 224, 224, 1}, FrameShape{1, 1, 1, 1}}) {
    const int64_t last = shape.width - 1;
    check_places(shape, {}, [](int64_t y, int64_t x) { return Place{y, x}; });
    check_places(shape, {.mirrored = true}, [&](int64_t y, int64_t x) { return Place{y, last - x}; });
    // Counter-clockwise: what was on the right is on top.
    check_places(shape, {.degrees = 90}, [&](int64_t y, int64_t x) { return Place{x, last - y}; });
    check_places(shape, {.degrees = -90}, [&](int64_t y, int64_t x) { return Place{last - x, y}; });
    check_places(shape, {.degrees = 180}, [&](int64_t y, int64_t x) { return Place{last - y, last - x}; });
    // Mirrored first, then turned.
    check_places(shape, {.degrees = 90, .mirrored = true}, [&](int64_t y, int64_t x) { return Place{x, y}; });
    check_places(shape, {.shift_rows = 2, .shift_columns = -3}, [](int64_t y, int64_t x) { return Place{y - 2, x + 3}; });
  }
  for (const FrameShape shape : {FrameShape{2, 5, 9, 1}, FrameShape{2, 12, 5, 1}}) {
    check_places(shape, {.mirrored = true}, [&](int64_t y, int64_t x) { return Place{y, shape.width - 1 - x}; });
    check_places(shape, {.degrees = 180}, [&](int64_t y, int64_t x) { return Place{shape.height - 1 - y, shape.width - 1 - x}; });
    check_places(shape, {.shift_rows = 1e6}, [](int64_t, int64_t) { return Place{-1, -1}; });
  }
  // Twice as large about the centre: every second place is a voxel.
  const Frames hu = volume({1, 9, 9, 1});
  const auto twice = mapped(hu, {.scale = 2});
  for (int64_t y = 0; y < 9; y += 2)
    for (int64_t x = 0; x < 9; x += 2) CHECK(static_cast<double>(twice[y * 9 + x]) == at(hu, 0, 2 + y / 2, 2 + x / 2));
}

TEST_CASE("a map is the bilinear one of its equation, air outside", "[volume][affine]") {
  const FrameShape shape{2, 31, 26, 1};
  const Frames hu = volume(shape);
  int outside = 0;
  for (const VolumeMap map : {VolumeMap{17, 1.2, 2.5, -1.25, false}, VolumeMap{-133, 0.6, -9.3, 4, true}, VolumeMap{0, 1, 0.5, 0.25, false}}) {
    const auto found = mapped(hu, map);
    const double angle = map.degrees * std::acos(-1.0) / 180, cx = 12.5, cy = 15, sign = map.mirrored ? -1 : 1;
    for (int64_t t = 0; t < 2; ++t)
      for (int64_t y = 0; y < shape.height; ++y)
        for (int64_t x = 0; x < shape.width; ++x) {
          const double dx = static_cast<double>(x) - cx - map.shift_columns, dy = static_cast<double>(y) - cy - map.shift_rows;
          const double u = cx + sign * (std::cos(angle) * dx - std::sin(angle) * dy) / map.scale;
          const double v = cy + (std::sin(angle) * dx + std::cos(angle) * dy) / map.scale;
          const auto column = static_cast<int64_t>(std::floor(u)), row = static_cast<int64_t>(std::floor(v));
          const double fx = u - std::floor(u), fy = v - std::floor(v);
          const double expected = (1 - fy) * ((1 - fx) * at(hu, t, row, column) + fx * at(hu, t, row, column + 1)) +
                                  fy * ((1 - fx) * at(hu, t, row + 1, column) + fx * at(hu, t, row + 1, column + 1));
          // Places to 2^-17 pixel on both axes, neighbours at most 4095 apart.
          REQUIRE(std::abs(static_cast<double>(found[(t * shape.height + y) * shape.width + x]) - expected) < 2 * 4095.0 / 131072 + 1e-3);
          outside += expected == kAirHu;
        }
  }
  CHECK(outside > 100);
}

TEST_CASE("the loops over voxels give the same values in every form", "[volume][kernels]") {
  const FrameShape shape{3, 37, 131, 1};
  const Frames hu = volume(shape);
  const auto count = static_cast<size_t>(shape.elements());
  std::vector<float> plain(count), window(count), other(count), other_window(count);
  const auto& baseline = volume_kernels(InstructionSet::kBaseline);
  baseline.to_float(hu.i16(), shape.elements(), plain.data());
  baseline.window(plain.data(), shape.elements(), -13.3f, 0.0117f, window.data());
  CHECK(plain[1] == static_cast<float>(hu.i16()[1]));
  const VolumeMap map{23, 1.1, 3, -2, true};
  const auto turned = mapped(hu, map, InstructionSet::kBaseline);
  for (const auto set : {InstructionSet::kAvx2, InstructionSet::kAvx512}) {
    volume_kernels(set).to_float(hu.i16(), shape.elements(), other.data());
    volume_kernels(set).window(plain.data(), shape.elements(), -13.3f, 0.0117f, other_window.data());
    volume_kernels(set).finish();
    CHECK(std::memcmp(plain.data(), other.data(), count * 4) == 0);
    CHECK(std::memcmp(window.data(), other_window.data(), count * 4) == 0);
    // Beginnings and ends that no vector of the form meets.
    for (size_t first = 0; first < 17; ++first) {
      std::vector<float> part(count, -9.0f);
      volume_kernels(set).window(plain.data() + first, 40, -13.3f, 0.0117f, part.data() + first);
      volume_kernels(set).finish();
      REQUIRE(std::memcmp(part.data() + first, window.data() + first, 40 * 4) == 0);
      REQUIRE((part[first + 40] == -9.0f && (first == 0 || part[first - 1] == -9.0f)));
    }
    const auto again = mapped(hu, map, set);
    CHECK(std::memcmp(turned.data(), again.data(), count * 4) == 0);
  }
}

TEST_CASE("a part of a volume's map that is off draws nothing", "[volume][affine]") {
  Rng rng(1, Purpose::kAugmentation), untouched(1, Purpose::kAugmentation);
  CHECK(draw_volume_map({}, 20, 30, rng).identity());
  CHECK(rng.bits32() == untouched.bits32());
  VolumeAugmentConfig config;
  config.flip = 0.5;
  int mirrored = 0;
  for (int i = 0; i < 1000; ++i) mirrored += draw_volume_map(config, 20, 30, rng).mirrored;
  CHECK((mirrored > 437 && mirrored < 563));  // four standard deviations
}
