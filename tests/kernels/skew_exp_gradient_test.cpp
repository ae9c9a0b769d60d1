// The gradient of the exponential of skew blocks against central differences; rays, sharing out and values that are not finite, in both directions.
#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "kernels/skew_exp_case.h"
#include "models/kernels/rays.h"
#include "support/catch.h"

using namespace liere;
using namespace liere::test;

TEST_CASE("the gradient is that of central differences in double, for every side and instruction set") {
  for (const InstructionSet set : sets())
    for (const int64_t block : {2, 3, 4, 5, 8, 12, 16, 24, 64})
      for (const double norm : {0.3, 12.0}) {
        const int64_t axes = 1 + block % 3;
        Case<double> c(axes, 1, 2, block == 64 ? 2 : 18, block, 1);
        c.positions[0] = 0.5 * c.positions[axes];  // a ray of two points, and a point at the origin
        for (int64_t a = 0; a < axes; ++a) {
          c.positions[a] = 0.5 * c.positions[axes + a];
          if (c.tokens > 4) c.positions[3 * axes + a] = 0;
        }
        scale_to_norm(c, norm);
        c.run(set);
        // L = sum <X' R0, R>: its gradient at R0 = R is (dL/dR) R^T = X'.
        const auto loss = [&](const Case<double>& moved) {
          double sum = 0;
          for (int64_t t = 0; t < c.tokens; ++t)
            for (int64_t g = 0; g < c.groups; ++g) {
              const Matrix r0 = reference(c.exponent(0, t, g), block), r = reference(moved.exponent(0, t, g), block);
              const Matrix x(&c.x[c.offset(0, t, g)], &c.x[c.offset(0, t, g)] + block * block), weight = product(x, r0, block);
              for (int64_t i = 0; i < block * block; ++i) sum += weight[i] * r[i];
            }
          return sum;
        };
        double largest = 0;
        for (const double value : c.gradient) largest = std::max(largest, std::abs(value));
        Rng rng(7, Purpose::kParameter);
        for (int probe = 0; probe < (block == 64 ? 1 : 3); ++probe) {
          const auto entry = static_cast<int64_t>(rng.uniform() * static_cast<double>(c.generators.size()));
          Case<double> above = c, below = c;
          const double h = 2e-5;
          above.generators[entry] += h;
          below.generators[entry] -= h;
          INFO(name_of(set) << ", block " << block << ", norm " << norm << ", entry " << entry);
          CHECK(std::abs((loss(above) - loss(below)) / (2 * h) - c.gradient[entry]) < 1e-7 * std::max(largest, 1.0));
        }
      }
}

TEST_CASE("the gradient in fp32 is that in double within the bound of the rotations") {
  for (const InstructionSet set : sets())
    for (const int64_t block : {2, 3, 4, 8, 16, 24, 64})
      for (const double norm : {0.1, 1.2, 30.0, 400.0}) {
        Case<float> c(2, 2, 3, 20, block, 1);
        if (block == 64) c = Case<float>(2, 1, 1, 6, block, 1);
        scale_to_norm(c, norm);
        Case<double> exact(c.axes, c.layers, c.groups, c.tokens, block, 1);
        exact.generators.assign(c.generators.begin(), c.generators.end());
        exact.positions.assign(c.positions.begin(), c.positions.end());
        exact.x.assign(c.x.begin(), c.x.end());
        c.run(set);
        exact.run(set);
        INFO(name_of(set) << ", block " << block << ", norm " << norm);
        CHECK(relative(exact.gradient, c.gradient.data()) < 1e-6 + 2e-7 * norm);
      }
}

TEMPLATE_TEST_CASE("rays change nothing but rounding: grids from zero, whole numbers, centred, one axis", "", float, double) {
  for (const InstructionSet set : sets())
    for (const int64_t block : {8, 16, 24})
      for (int kind = 0; kind < 4; ++kind) {
        const int64_t axes = kind == 3 ? 1 : 2, side = 5, tokens = kind == 3 ? 9 : side * side;
        Case<TestType> c(axes, 1, 2, tokens, block, 0.5);
        for (int64_t t = 0; t < tokens; ++t)
          for (int64_t a = 0; a < axes; ++a) {
            const int64_t at = kind == 3 ? t : a ? t % side : t / side;
            c.positions[t * axes + a] = static_cast<TestType>(kind == 0 ? at / double(side - 1) : kind == 2 ? (2 * at + 1.0) / side - 1 : double(at));
          }
        Case<TestType> apart = c;
        apart.rays = false;
        c.run(set);
        apart.run(set);
        const double norm = norm_of(c.exponent(0, tokens - 1, 0), block), bound = sizeof(TestType) == 8 ? 3e-14 + 1e-15 * norm : single_bound(norm);
        INFO(name_of(set) << ", block " << block << ", kind " << kind << ", norm " << norm);
        CHECK(relative(std::vector<double>(apart.rotations.begin(), apart.rotations.end()), c.rotations.data()) < bound);
        CHECK(relative(std::vector<double>(apart.gradient.begin(), apart.gradient.end()), c.gradient.data()) < bound);
      }
}

TEST_CASE("points of a grid lie on the rays that number theory says") {
  const auto rays_of = [](int64_t side, double first, double step, int64_t axes) {
    std::vector<float> positions;
    for (int64_t t = 0; t < (axes == 1 ? side : side * side); ++t) {
      if (axes == 2) positions.push_back(static_cast<float>(first + step * (t / side)));
      positions.push_back(static_cast<float>(first + step * (t % side)));
    }
    return find_rays(positions.data(), static_cast<int64_t>(positions.size()) / axes, axes, true);
  };
  // 2 + 2 sum phi(k) - 1 primitive directions in [0, 7]^2: 37; in [0, 13]^2: 117.
  for (const double step : {1.0, 1.0 / 7}) {
    const auto rays = rays_of(8, 0, step, 2);
    CHECK(rays.count() == 37);
    CHECK(rays.points.size() == 63);
    CHECK(rays.origin == std::vector<int64_t>{0});
  }
  CHECK(rays_of(14, 0, 1.0 / 13, 2).count() == 117);
  CHECK(rays_of(50, 0, 0.1, 1).count() == 1);
  const auto rays = rays_of(8, 1, 1, 2);
  for (int64_t r = 0; r < rays.count(); ++r)
    for (int64_t i = rays.first[r]; i < rays.first[r + 1]; ++i) {
      const int64_t t = rays.points[i].token;
      CHECK(rays.points[i].ratio * rays.bases[2 * r] == Approx(1 + t / 8).epsilon(1e-6));
      CHECK(rays.points[i].ratio * rays.bases[2 * r + 1] == Approx(1 + t % 8).epsilon(1e-6));
    }
}

TEMPLATE_TEST_CASE("items shared out differently give the same bits", "", float, double) {
  for (const InstructionSet set : sets())
    for (const int64_t block : {2, 5, 8, 16, 24}) {
      Case<TestType> c(3, 2, 5, 23, block, 2);
      c.run(set);
      Case<TestType> parts = c;
      std::fill(parts.rotations.begin(), parts.rotations.end(), TestType(-7));
      std::fill(parts.gradient.begin(), parts.gradient.end(), TestType(-7));
      const auto p = parts.plan();
      const auto& kernels = skew_exp_kernels<TestType>(set);
      const int64_t items = kernels.items(p);
      CHECK(items > 1);
      const std::vector<int64_t> cuts = {0, 1, items / 2, items};
      for (size_t k = cuts.size() - 1; k > 0; --k) {
        kernels.backward(p, cuts[k - 1], cuts[k]);
        kernels.forward(p, cuts[k - 1], cuts[k]);
      }
      INFO(name_of(set) << ", block " << block);
      CHECK(parts.rotations == c.rotations);
      CHECK(parts.gradient == c.gradient);
    }
}

TEMPLATE_TEST_CASE("what is not finite spoils its own matrices and nothing else", "", float, double) {
  constexpr TestType kInf = std::numeric_limits<TestType>::infinity(), kNan = std::numeric_limits<TestType>::quiet_NaN();
  for (const InstructionSet set : sets())
    for (const int64_t block : {2, 3, 8, 16, 24})
      for (const TestType bad : {kInf, -kInf, kNan, std::numeric_limits<TestType>::max()}) {
        INFO(name_of(set) << ", block " << block << ", value " << bad);
        Case<TestType> good(2, 1, 3, 18, block, 2), c = good, x = good, p = good;
        good.run(set);
        c.generators[c.entries() + c.entries() / 2] = bad;  // group 1
        c.run(set);
        for (int64_t group = 0; group < 3; ++group)
          for (int64_t token = 0; token < 18; ++token) {
            const auto first = c.rotations.begin() + c.offset(0, token, group), same = good.rotations.begin() + c.offset(0, token, group);
            if (group == 1)
              CHECK(std::none_of(first, first + block * block, [](TestType r) { return std::isfinite(r); }));
            else
              CHECK(std::equal(first, first + block * block, same));
          }
        CHECK(std::equal(c.gradient.begin(), c.gradient.begin() + c.entries(), good.gradient.begin()));
        if (block > 2 || !std::isfinite(bad)) CHECK(!std::isfinite(c.gradient[c.entries()]));  // of a pair: dL/dA does not depend on A
        p.positions[2 * 4] = bad;
        p.run(set);
        CHECK(!std::isfinite(p.rotations[p.offset(0, 4, 0)]));
        CHECK(std::equal(p.rotations.begin(), p.rotations.begin() + p.offset(0, 4, 0), good.rotations.begin()));
        if (std::isfinite(bad)) continue;
        x.x[x.offset(0, 2, 2) + 1] = bad;
        x.run(set);
        CHECK(std::equal(x.gradient.begin(), x.gradient.begin() + 2 * x.entries(), good.gradient.begin()));
        CHECK(!std::isfinite(x.gradient[2 * x.entries()]));
      }
}

TEST_CASE("the work counted for rays is that of fewer decompositions") {
  Case<float> c(1, 2, 3, 10, 16, 1);
  auto plan = c.plan();
  const SkewExpWork shared = skew_exp_work(plan);
  plan.rays = false;
  const SkewExpWork apart = skew_exp_work(plan);
  const double cube = 16.0 * 16 * 16, decomposition = (4.0 / 3 + 1.5 * 1.2 + 2) * cube;
  CHECK(apart.forward - shared.forward == Approx(2 * 3 * 9 * decomposition));  // one axis: one ray of ten points
  CHECK(apart.backward - shared.backward == Approx(2 * 3 * 9 * (decomposition + 3 * cube)));
  CHECK(apart.forward == Approx(2 * 3 * 10 * (decomposition + 2 * cube)));
}
