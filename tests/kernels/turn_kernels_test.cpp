// Kernels that turn queries and keys, in every instruction set of this processor, against plain double loops (turn_reference.h).
#include <cmath>
#include <vector>

#include "kernels/turn_reference.h"
#include "support/catch.h"

namespace liere {
namespace {

std::vector<InstructionSet> sets() {
  std::vector<InstructionSet> all;
  for (const auto set : {InstructionSet::kBaseline, InstructionSet::kAvx2, InstructionSet::kAvx512})
    if (set <= instruction_set()) all.push_back(set);
  return all;
}

template <class T>
void check(const TurnKernels<T>& kernels, const char* form, const Shape& s) {
  INFO(form << ", " << sizeof(T) << " bytes, " << s);
  Draw draw;
  const auto rotations = random_rotations<ScalarOf<T>>(s, draw);
  const auto x = draw.vector<T>(s.fused_count()), turned = draw.vector<T>(s.fused_count()), gaps = draw.vector<T>(2 * s.loose_count());
  const auto gradient = draw.vector<ScalarOf<T>>(s.gradient_count());
  const int64_t in_part[2] = {0, s.heads * s.dim}, out_part[2] = {0, s.loose_count()};
  const double share = share_of_product<T>(rounds_rotations(kernels), s.block);
  for (const bool backward : {false, true}) {
    const auto kernel = backward ? kernels.backward : kernels.forward;
    auto in_place = x, loose = gaps, without = x;
    auto sums = gradient, loose_sums = gradient;
    auto here = plan_of(s, rotations, in_place, in_place), there = plan_of(s, rotations, x, loose, true),
         plain = plan_of(s, rotations, without, without);
    if (backward) {
      here.turned = there.turned = {turned.data(), turned.data() + in_part[1], s.fused()};
      here.gradient = sums.data();
      there.gradient = loose_sums.data();
    }
    kernel(here, 0, kernels.items(here));
    kernel(there, 0, kernels.items(there));
    kernel(plain, 0, kernels.items(plain));
    CHECK(worst(s, rotations, backward, x, s.fused(), x, in_place, s.fused(), in_part, in_part, share) <= 1);
    CHECK(worst(s, rotations, backward, x, s.fused(), gaps, loose, s.loose(), in_part, out_part, share) <= 1);
    CHECK(same(without, in_place));
    CHECK(same(sums, loose_sums));
    if (backward) CHECK(worst_gradient(s, x, turned, gradient, sums) <= 1);
  }
}

template <class T>
void check(InstructionSet set, const Shape& s) {
  check(turn_kernels<T>(set), name_of(set), s);
}

template <class T>
void check_split(InstructionSet set, const Shape& s) {
  INFO(name_of(set) << ", " << sizeof(T) << " bytes, " << s);
  const auto& kernels = turn_kernels<T>(set);
  Draw draw;
  const auto rotations = random_rotations<ScalarOf<T>>(s, draw);
  const auto x = draw.vector<T>(s.fused_count()), turned = draw.vector<T>(s.fused_count());
  std::vector<T> whole = x, parts = x;
  std::vector<ScalarOf<T>> whole_sums(static_cast<size_t>(s.gradient_count())), part_sums = whole_sums;
  auto plan = plan_of(s, rotations, whole, whole);
  plan.turned = {turned.data(), turned.data() + s.heads * s.dim, s.fused()};
  plan.gradient = whole_sums.data();
  const int64_t items = kernels.items(plan);
  REQUIRE(items > 1);
  kernels.backward(plan, 0, items);
  plan.in = {parts.data(), parts.data() + s.heads * s.dim, s.fused()};
  plan.out = {parts.data(), parts.data() + s.heads * s.dim, s.fused()};
  plan.gradient = part_sums.data();
  for (int64_t item = items; item-- > 0;) kernels.backward(plan, item, item + 1);
  CHECK(same(whole, parts));
  CHECK(same(whole_sums, part_sums));
}

const std::vector<int64_t> kBlocks = {0, 2, 3, 4, 8, 16, 32, 64};
int64_t dim_of(int64_t block) { return block == 3 ? 66 : 64; }

}  // namespace

TEST_CASE("Turned queries and keys and their gradients match a double loop in every instruction set, type and block side") {
  for (const auto set : sets())
    for (const int64_t block : kBlocks)
      for (const int64_t own : {int64_t{2}, int64_t{1}}) {
        check<float>(set, {5, 3, 2, own, dim_of(block), block});
        check<Bfloat16Bits>(set, {5, 3, 2, own, dim_of(block), block});
        check<double>(set, {5, 3, 2, own, dim_of(block), block});
      }
}

#if defined(__x86_64__) && defined(__GNUC__)
TEST_CASE("On processors with AVX512_BF16 the form for those without it turns as exactly") {
  if (instruction_set() != InstructionSet::kAvx512) {
    WARN("skipped: no AVX-512 here");
    return;
  }
  for (const int64_t block : kBlocks)
    for (const int64_t own : {int64_t{2}, int64_t{1}})
      check(avx512::kTurnBfloat16, "AVX-512 without AVX512_BF16", {5, 3, 2, own, dim_of(block), block});
}
#endif

TEST_CASE("Turning serves odd sizes: one sample, CLS alone, runs that do not end with the samples, dimensions that are no multiple of the lanes") {
  const std::vector<Shape> shapes = {{1, 2, 1, 1, 64, 64},  {1, 2, 1, 1, 64, 8},   {1, 2, 1, 1, 64, 0},   {2, 1, 2, 2, 64, 64}, {2, 1, 2, 2, 64, 4},
                                     {25, 2, 1, 1, 64, 64}, {25, 2, 1, 1, 16, 4},  {13, 3, 2, 2, 32, 32}, {3, 3, 2, 2, 24, 8},  {3, 3, 2, 1, 24, 24},
                                     {3, 3, 2, 2, 40, 20},  {3, 3, 1, 1, 6, 0},    {3, 3, 3, 3, 22, 2},   {3, 3, 3, 1, 12, 4},  {3, 3, 3, 3, 72, 36},
                                     {3, 2, 2, 2, 96, 48},  {2, 2, 1, 1, 160, 80}, {3, 3, 2, 2, 5, 5},    {3, 3, 2, 2, 7, 1}};
  for (const auto set : sets())
    for (const auto& shape : shapes) {
      check<float>(set, shape);
      check<Bfloat16Bits>(set, shape);
      check<double>(set, shape);
    }
}

TEST_CASE("Turning does not depend on how its items are shared out") {
  for (const auto set : sets())
    for (const int64_t block : kBlocks)
      for (const int64_t own : {int64_t{2}, int64_t{1}}) {
        check_split<float>(set, {7, 70, 2, own, dim_of(block), block});
        check_split<Bfloat16Bits>(set, {7, 70, 2, own, dim_of(block), block});
      }
}

TEST_CASE("Turning by the identity copies every bit of finite queries and keys but zeros' signs") {
  for (const auto set : sets())
    for (const int64_t block : kBlocks) {
      const Shape s{3, 4, 2, 2, dim_of(block), block};
      std::vector<float> identity(static_cast<size_t>(s.rotation_count()));
      for (int64_t number = 0; number < s.matrices(); ++number)
        for (int64_t i = 0; i < s.side(); ++i)
          if (block > 0 || i == 0) identity[static_cast<size_t>(block == 0 ? 2 * number : (number * block + i) * block + i)] = 1;
      Draw draw;
      const auto x = draw.vector<float>(s.fused_count());
      for (const bool backward : {false, true}) {
        auto y = x;
        const auto& kernels = turn_kernels<float>(set);
        const auto plan = plan_of(s, identity, y, y);
        (backward ? kernels.backward : kernels.forward)(plan, 0, kernels.items(plan));
        INFO(name_of(set) << ", " << s);
        CHECK(same(x, y));
      }
    }
}

TEST_CASE("Turning back by orthogonal rotations gives the queries and keys again") {
  for (const auto set : sets())
    for (const int64_t block : kBlocks) {
      const Shape s{3, 3, 2, 2, dim_of(block), block};
      Draw draw;
      auto rotations = random_rotations<double>(s, draw);
      if (block > 0)
        for (int64_t number = 0; number < s.matrices(); ++number) {  // I - 2 v v^T / v.v
          std::vector<double> v(static_cast<size_t>(block));
          double norm = 0;
          for (auto& e : v) {
            e = draw();
            norm += e * e;
          }
          for (int64_t i = 0; i < block; ++i)
            for (int64_t j = 0; j < block; ++j)
              rotations[static_cast<size_t>((number * block + i) * block + j)] =
                  (i == j) - 2 * v[static_cast<size_t>(i)] * v[static_cast<size_t>(j)] / norm;
        }
      const auto x = draw.vector<double>(s.fused_count());
      auto y = x;
      const auto& kernels = turn_kernels<double>(set);
      const auto plan = plan_of(s, rotations, y, y);
      kernels.forward(plan, 0, kernels.items(plan));
      double moved = 0, error = 0;
      for (size_t i = 0; i < x.size(); ++i) moved = std::max(moved, std::abs(x[i] - y[i]));
      kernels.backward(plan, 0, kernels.items(plan));
      for (size_t i = 0; i < x.size(); ++i) error = std::max(error, std::abs(x[i] - y[i]));
      INFO(name_of(set) << ", " << s);
      CHECK(moved > 0.5);
      CHECK(error < 1e-14);
    }
}

TEST_CASE("The gradient that turning back adds is (dL/dR) R^T, of an angle the derivative of the loss") {
  for (const auto set : sets()) {
    const auto& kernels = turn_kernels<double>(set);
    const Shape s{2, 2, 1, 1, 4, 4}, p{2, 2, 1, 1, 2, 0};
    for (const auto& shape : {s, p}) {
      Draw draw;
      auto rotations = random_rotations<double>(shape, draw);
      const auto x = draw.vector<double>(shape.fused_count()), d = draw.vector<double>(shape.fused_count());
      // L = sum d (R x), by one entry of R or one angle.
      const auto loss = [&](const std::vector<double>& r) {
        auto y = x;
        const auto plan = plan_of(shape, r, y, y);
        kernels.forward(plan, 0, kernels.items(plan));
        double sum = 0;
        for (int64_t sample = 0; sample < shape.samples; ++sample)
          for (int64_t i = 0; i < 2 * shape.dim; ++i) {
            const auto at_token = static_cast<size_t>(sample * shape.fused().samples + shape.fused().tokens + i);
            sum += d[at_token] * y[at_token];
          }
        return sum;
      };
      auto turned = x, dx = d;
      std::vector<double> gradient(static_cast<size_t>(shape.gradient_count()));
      auto plan = plan_of(shape, rotations, turned, turned);
      kernels.forward(plan, 0, kernels.items(plan));
      plan = plan_of(shape, rotations, dx, dx);
      plan.turned = {turned.data(), turned.data() + shape.dim, shape.fused()};
      plan.gradient = gradient.data();
      kernels.backward(plan, 0, kernels.items(plan));
      constexpr double kStep = 1e-5;
      if (shape.block == 0) {
        const double angle = std::atan2(rotations[1], rotations[0]);
        const double slope =
            (loss({std::cos(angle + kStep), std::sin(angle + kStep)}) - loss({std::cos(angle - kStep), std::sin(angle - kStep)})) / (2 * kStep);
        CHECK(std::abs(gradient[0] - slope) < 1e-9);
        continue;
      }
      std::vector<double> slope(16);
      for (size_t i = 0; i < 16; ++i) {
        auto more = rotations, less = rotations;
        more[i] += kStep;
        less[i] -= kStep;
        slope[i] = (loss(more) - loss(less)) / (2 * kStep);
      }
      for (size_t i = 0; i < 4; ++i)
        for (size_t j = 0; j < 4; ++j) {
          double expected = 0;
          for (size_t k = 0; k < 4; ++k) expected += slope[4 * i + k] * rotations[4 * j + k];
          CHECK(std::abs(gradient[4 * i + j] - expected) < 1e-9);
        }
    }
  }
}

TEST_CASE("A NaN among queries stays NaN and stays in its block") {
  for (const auto set : sets())
    for (const int64_t block : {int64_t{0}, int64_t{2}, int64_t{8}, int64_t{16}, int64_t{32}}) {
      const Shape s{3, 3, 2, 2, 64, block};
      Draw draw;
      const auto rotations = random_rotations<float>(s, draw);
      const auto& kernels = turn_kernels<Bfloat16Bits>(set);
      auto x = draw.vector<Bfloat16Bits>(s.fused_count());
      auto clean = x;
      const auto place = static_cast<size_t>(at(s.fused(), 1, 1, 2) + 32);
      x[place].bits = 0x7fff;
      for (auto* y : {&x, &clean}) {
        const auto plan = plan_of(s, rotations, *y, *y);
        kernels.forward(plan, 0, kernels.items(plan));
      }
      int64_t changed = 0;
      for (size_t i = 0; i < x.size(); ++i) {
        const bool in_block = i >= place && i < place + static_cast<size_t>(s.side());
        if (in_block) CHECK(std::isnan(wide(x[i])));
        changed += x[i].bits != clean[i].bits;
      }
      INFO(name_of(set) << ", " << s);
      CHECK(changed == s.side());
    }
}

}  // namespace liere
