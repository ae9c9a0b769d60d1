// The GPU's exponential of skew blocks, executed on the CPU, against double.
#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <string>
#include <vector>

#include "kernels/skew_exp_case.h"
#include "models/kernels/cuda_device.h"
#include "models/kernels/device_kernels.h"
#include "models/kernels/rays.h"
#include "support/catch.h"
#include "support/cuda_on_cpu/guarded_memory.h"
#include "support/cuda_on_cpu/schedules.h"
#undef threadIdx
#undef blockIdx
#undef blockDim
#undef gridDim

using namespace liere;
using namespace liere::test;

namespace {

/// Asks for one of the two kinds of kernels while it lives.
struct Kind {
  explicit Kind(const std::string& name) { cuda_kernels().exp.ask(name == "mma" ? ExpKernel::kTensorCores : ExpKernel::kFp32); }
  ~Kind() { cuda_kernels().exp.ask(ExpKernel::kAuto); }
};

struct Kernels {
  const char* kind;
  int64_t block;
};
const std::vector<Kernels> kKernels = {{"simt", 4}, {"simt", 8}, {"simt", 16}, {"simt", 32}, {"simt", 64}, {"mma", 32}, {"mma", 64}};

/// Forward and backward in memory whose ends are guarded; what they wrote goes back to the case.
void run_on_device(Case<float>& c, bool rays = false) {
  auto plan = c.plan();
  const RayTable table = ray_table(c.positions.data(), c.tokens, c.axes);
  const GuardedArray<int32_t> ray_first(table.first), ray_tokens(table.tokens);
  if (rays) {
    plan.ray_first = ray_first.data();
    plan.ray_tokens = ray_tokens.data();
    plan.ray_count = table.count();
  }
  const auto& exp = cuda_kernels().exp;
  REQUIRE(exp.serves(plan));
  const GuardedArray<float> generators(c.generators), positions(c.positions), x(c.x), rotations(c.rotations.size()), gradient(c.gradient.size());
  const GuardedArray<float> workspace(static_cast<size_t>(exp.workspace(plan) / 4));
  plan.generators = generators.data();
  plan.positions = positions.data();
  plan.x = x.data();
  plan.rotations = rotations.data();
  plan.gradient = gradient.data();
  REQUIRE(exp.forward(plan, nullptr, nullptr) == 0);
  REQUIRE(exp.backward(plan, workspace.data(), nullptr) == 0);
  CHECK((rotations.intact() && gradient.intact() && workspace.intact()));
  c.rotations.assign(rotations.begin(), rotations.end());
  c.gradient.assign(gradient.begin(), gradient.end());
}

Case<double> exact_of(const Case<float>& c) {
  Case<double> exact(c.axes, c.layers, c.groups, c.tokens, c.block, 1);
  exact.generators.assign(c.generators.begin(), c.generators.end());
  exact.positions.assign(c.positions.begin(), c.positions.end());
  exact.x.assign(c.x.begin(), c.x.end());
  exact.run(instruction_set());
  return exact;
}

struct Errors {
  double rotations, gradient;
};
Errors errors(Case<float>& c, bool rays = false) {
  run_on_device(c, rays);
  const auto exact = exact_of(c);
  return {relative(exact.rotations, c.rotations.data()), relative(exact.gradient, c.gradient.data())};
}

}  // namespace

TEST_CASE("cuda on cpu: rotations and gradients of every block side and kind, one to three axes, norms 0.1 to 400") {
  for (const auto& [kind, block] : kKernels)
    for (const double norm : {0.1, 1.2, 30.0, 400.0}) {
      const Kind asked(kind);
      Case<float> c(1 + block / 4 % 3, block < 32 ? 2 : 1, block < 32 ? 3 : 1, block < 32 ? 5 : 3, block, 1);
      scale_to_norm(c, norm);
      const Errors e = errors(c);
      INFO(kind << ", block " << block << ", norm " << norm << ": rotations " << e.rotations << ", gradient " << e.gradient);
      CHECK(e.rotations < single_bound(norm));
      CHECK(e.gradient < (std::string(kind) == "mma" ? 1e-4 : 2e-5));
      if (std::getenv("LIERE_PRINT"))
        WARN(kind << ", block " << block << ", norm " << norm << ": rotations " << e.rotations << ", gradient " << e.gradient);
    }
}

TEST_CASE("cuda on cpu: at the initialisation rotations are as near to double as PyTorch's in fp32") {
  for (const auto& [kind, block] : kKernels) {
    const Kind asked(kind);
    Case<float> c(2, 1, 1, 4, block, 1);
    Rng rng(5, Purpose::kParameter);
    for (float& entry : c.generators) entry = static_cast<float>(6.283185307179586 * rng.uniform());
    // Four points of linspace(0, 1, 8) x linspace(0, 1, 8), the farthest among them.
    const int points[] = {63, 61, 34, 8};
    for (int64_t t = 0; t < 4; ++t) {
      c.positions[2 * t] = static_cast<float>(points[t] / 8) / 7;
      c.positions[2 * t + 1] = static_cast<float>(points[t] % 8) / 7;
    }
    const Errors e = errors(c);
    INFO(kind << ", block " << block << ": rotations " << e.rotations << ", gradient " << e.gradient);
    CHECK(e.rotations < 2.7e-5);
    CHECK(e.gradient < (std::string(kind) == "mma" ? 1e-4 : 2e-5));
    if (std::getenv("LIERE_PRINT")) WARN(kind << ", block " << block << ", initialisation: rotations " << e.rotations << ", gradient " << e.gradient);
  }
}

namespace {

/// The points of linspace(0, 1, rows) x linspace(0, 1, columns).
void set_grid(Case<float>& c, int64_t rows, int64_t columns) {
  for (int64_t t = 0; t < rows * columns; ++t) {
    c.positions[2 * t] = static_cast<float>(t / columns) / static_cast<float>(rows - 1);
    c.positions[2 * t + 1] = static_cast<float>(t % columns) / static_cast<float>(columns - 1);
  }
}

}  // namespace

TEST_CASE("cuda on cpu: the rays of a grid, its long ones first, and of points that are on none") {
  Case<float> c(2, 1, 1, 64, 4, 1);
  set_grid(c, 8, 8);
  const RayTable grid = ray_table(c.positions.data(), 64, 2);
  CHECK(grid.count() == 38);  // 37 and the origin
  REQUIRE(grid.tokens.size() == 64);
  auto sorted = grid.tokens;
  std::sort(sorted.begin(), sorted.end());
  for (int32_t token = 0; token < 64; ++token) CHECK(sorted[static_cast<size_t>(token)] == token);
  for (int64_t ray = 0; ray < grid.count(); ++ray) {
    const int32_t first = grid.first[ray], length = grid.first[ray + 1] - first, row = grid.tokens[first] / 8, column = grid.tokens[first] % 8;
    CHECK((ray == 0 || length <= grid.first[ray] - grid.first[ray - 1]));
    for (int32_t k = 0; k < length; ++k) CHECK(grid.tokens[first + k] == (k + 1) * (8 * row + column));
  }
  CHECK(grid.first[1] == 7);
  // Two directions and what is no multiple: each point by itself.
  for (const std::vector<float>& points : {std::vector<float>{-1, 1, 2}, {1, 3}, {2, 4, 5}, {0.3f}})
    CHECK(ray_table(points.data(), static_cast<int64_t>(points.size()), 1).count() == static_cast<int64_t>(points.size()));
  const std::vector<float> line = {3, 1, 2, 0};
  CHECK(ray_table(line.data(), 4, 1).tokens == std::vector<int32_t>{1, 2, 0, 3});
}

TEST_CASE("cuda on cpu: rotations and gradients of a grid along its rays are as good as point by point") {
  for (const auto& [kind, block] : kKernels) {
    const Kind asked(kind);
    const int64_t columns = block < 32 ? 5 : 3;
    Case<float> c(2, block < 32 ? 2 : 1, block < 32 ? 3 : 1, 3 * columns, block, 1);
    set_grid(c, 3, columns);
    for (const double norm : {1.2, 60.0, 250.0}) {
      scale_to_norm(c, norm);
      const Errors alone = errors(c), e = errors(c, /*rays=*/true);
      INFO(kind << ", block " << block << ", norm " << norm << ": rotations " << e.rotations << " (alone " << alone.rotations << "), gradient " << e.gradient << " (alone " << alone.gradient << ")");
      CHECK(e.rotations < std::max(single_bound(norm), 2 * alone.rotations));
      CHECK(e.gradient < (std::string(kind) == "mma" ? 1e-4 : 3e-5));
      if (std::getenv("LIERE_PRINT")) WARN(kind << ", block " << block << ", norm " << norm << ": rotations " << e.rotations << " (alone " << alone.rotations << "), gradient " << e.gradient << " (alone " << alone.gradient << ")");
    }
  }
}

TEST_CASE("cuda on cpu: the exponential's kernel goes by the block, the device's attributes and what is asked for") {
  using enum ExpKernel;
  const auto& exp = cuda_kernels().exp;
  const DeviceAttributes hopper{.compute_capability = 90, .shared_memory = 227 << 10}, turing{.compute_capability = 75, .shared_memory = 64 << 10}, small{.compute_capability = 90, .shared_memory = 8 << 10};
  for (const int64_t block : {32, 64}) {
    CHECK(exp.choice(block, kAuto, hopper) == kTensorCores);
    CHECK(exp.choice(block, kFp32, hopper) == kFp32);
    CHECK(exp.choice(block, kTensorCores, hopper) == kTensorCores);
    CHECK(exp.choice(block, kAuto, turing) == kFp32);
    CHECK(exp.choice(block, kTensorCores, turing) == kFp32);
  }
  for (const int64_t block : {4, 8, 16}) {
    CHECK(exp.choice(block, kAuto, hopper) == kFp32);
    CHECK(exp.choice(block, kTensorCores, hopper) == kFp32);
  }
  CHECK(exp.choice(64, kAuto, small) == kAuto);
  CHECK(exp.choice(12, kAuto, hopper) == kAuto);
}

TEST_CASE("cuda on cpu: the exponential of zero is exactly the identity") {
  for (const auto& [kind, block] : kKernels) {
    const Kind asked(kind);
    Case<float> c(1, 1, 1, 2, block, 1);
    c.positions = {0, 0.5f};
    run_on_device(c);
    INFO(kind << ", block " << block);
    for (int64_t i = 0; i < block * block; ++i) REQUIRE(c.rotations[i] == (i % (block + 1) == 0 ? 1.0f : 0.0f));
  }
}

TEST_CASE("cuda on cpu: gradients of any size, and none at all") {
  Case<float> c(2, 3, 2, 5, 8, 1);
  const Errors plain = errors(c);
  const auto before = c.gradient;
  for (const float factor : {0x1p-90f, 0x1p80f, 0.0f}) {
    Case<float> scaled = c;
    for (float& x : scaled.x) x *= factor;
    run_on_device(scaled);
    INFO(factor);
    for (size_t i = 0; i < before.size(); ++i) REQUIRE(scaled.gradient[i] == before[i] * factor);  // powers of two change no rounding
  }
  CHECK(plain.gradient < 2e-5);
}

TEST_CASE("cuda on cpu: a workspace of fewer layers than the plan's gives the same gradient") {
  Case<float> c(2, 5, 3, 3, 8, 1);
  run_on_device(c);
  const auto whole = c.gradient;
  const int64_t bytes = cuda_kernels().exp.workspace(c.plan());
  for (const int64_t layers : {1, 2}) {
    setenv("LIERE_CUDA_EXP_BYTES", std::to_string(layers * bytes / 5).c_str(), 1);
    const int64_t fewer = cuda_kernels().exp.workspace(c.plan());
    run_on_device(c);
    unsetenv("LIERE_CUDA_EXP_BYTES");
    CHECK(fewer == layers * bytes / 5);
    CHECK(c.gradient == whole);
  }
}

TEST_CASE("cuda on cpu: the exponential's bits do not depend on the order of threads") {
  for (const auto& [kind, block] : kKernels) {
    const Kind asked(kind);
    Case<float> c(2, 1, 1, block < 32 ? 3 : 2, block, 1);
    for (int64_t t = 1; t < c.tokens; ++t)  // one ray
      for (int64_t a = 0; a < 2; ++a) c.positions[2 * t + a] = static_cast<float>(t + 1) * c.positions[a];
    scale_to_norm(c, 5);
    INFO(kind << ", block " << block);
    const auto bits = run_schedules(4, [&] {
      run_on_device(c, /*rays=*/true);
      auto both = c.rotations;
      both.insert(both.end(), c.gradient.begin(), c.gradient.end());
      return both;
    });
    CHECK(std::all_of(bits.begin(), bits.end(), [](float x) { return std::isfinite(x); }));
  }
}

TEST_CASE("cuda on cpu: generators, positions and gradients that are not finite spoil their own matrices and nothing else") {
  constexpr float kInf = std::numeric_limits<float>::infinity(), kNan = std::numeric_limits<float>::quiet_NaN();
  for (const auto& [kind, block] : kKernels) {
    const Kind asked(kind);
    Case<float> good(1, 1, 3, 2, block, 0.5);
    good.positions = {0.75f, -0.5f};
    run_on_device(good);
    for (const float bad : {kInf, kNan, std::numeric_limits<float>::max(), 3e6f}) {
      INFO(kind << ", block " << block << ", value " << bad);
      Case<float> c = good;
      c.generators[c.entries() + c.entries() / 2] = bad;  // group 1
      run_on_device(c);
      for (int64_t token = 0; token < 2; ++token)
        for (int64_t group = 0; group < 3; ++group) {
          const auto first = c.rotations.begin() + c.offset(0, token, group), same = good.rotations.begin() + c.offset(0, token, group);
          if (group == 1)
            CHECK(std::all_of(first, first + block * block, [](float r) { return std::isnan(r); }));
          else
            CHECK(std::equal(first, first + block * block, same));
        }
      const auto entries = c.entries();
      CHECK(std::equal(c.gradient.begin(), c.gradient.begin() + entries, good.gradient.begin()));
      CHECK(std::all_of(c.gradient.begin() + entries, c.gradient.begin() + 2 * entries, [](float g) { return std::isnan(g); }));
      CHECK(std::equal(c.gradient.begin() + 2 * entries, c.gradient.end(), good.gradient.begin() + 2 * entries));
      if (std::isfinite(bad)) continue;
      Case<float> p = good, x = good;
      p.positions[1] = bad;
      run_on_device(p);
      CHECK(std::equal(p.rotations.begin(), p.rotations.begin() + 3 * block * block, good.rotations.begin()));
      CHECK(std::all_of(p.rotations.begin() + 3 * block * block, p.rotations.end(), [](float r) { return std::isnan(r); }));
      x.x[x.offset(0, 1, 2) + 1] = bad;
      run_on_device(x);
      CHECK(std::equal(x.gradient.begin(), x.gradient.begin() + 2 * entries, good.gradient.begin()));
      CHECK(std::isnan(x.gradient[2 * entries]));
    }
  }
}

TEST_CASE("cuda on cpu: block sides without kernels and empty plans are left to others") {
  for (const int64_t block : {2, 3, 24, 128}) CHECK(!cuda_kernels().exp.serves(Case<float>(1, 1, 1, 1, block, 1).plan()));
  CHECK(!cuda_kernels().exp.serves(Case<float>(1, 1, 1, 0, 8, 1).plan()));
}
