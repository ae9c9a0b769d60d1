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
  explicit Kind(const char* name) { setenv("LIERE_CUDA_EXP", name, 1); }
  ~Kind() { unsetenv("LIERE_CUDA_EXP"); }
};

struct Kernels {
  const char* kind;
  int64_t block;
};
const std::vector<Kernels> kKernels = {{"simt", 4}, {"simt", 8}, {"simt", 16}, {"simt", 32}, {"simt", 64}, {"mma", 32}, {"mma", 64}};

/// Forward and backward in memory whose ends are guarded; what they wrote goes back to the case.
void run_on_device(Case<float>& c) {
  auto plan = c.plan();
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
Errors errors(Case<float>& c) {
  run_on_device(c);
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
    Case<float> c(2, 1, 1, block < 32 ? 3 : 1, block, 1);
    scale_to_norm(c, 5);
    INFO(kind << ", block " << block);
    const auto bits = run_schedules(4, [&] {
      run_on_device(c);
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
