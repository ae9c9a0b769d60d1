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

void run_on_device(Case<float>& c) {
  const auto plan = c.plan();
  const auto& exp = cuda_kernels().exp;
  REQUIRE(exp.serves(plan));
  std::fill(c.rotations.begin(), c.rotations.end(), -7.0f);
  std::fill(c.gradient.begin(), c.gradient.end(), -7.0f);
  std::vector<float> workspace(static_cast<size_t>(exp.workspace(plan) / 4) + 4, std::numeric_limits<float>::quiet_NaN());
  REQUIRE(exp.forward(plan, workspace.data(), nullptr) == 0);
  REQUIRE(exp.backward(plan, workspace.data(), nullptr) == 0);
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

TEST_CASE("cuda on cpu: rotations and gradients of every block side and kind, norms 0.1 to 400") {
  for (const std::string kind : {"simt", "mma"})
    for (const int64_t block : {4, 8, 16, 32, 64}) {
      if (kind == "mma" && block < 32) continue;
      for (const double norm : {0.1, 1.2, 30.0, 400.0}) {
        const Kind asked(kind.c_str());
        Case<float> c(1 + block / 4 % 3, block < 32 ? 2 : 1, block < 32 ? 3 : 1, block < 32 ? 5 : 3, block, 1);
        scale_to_norm(c, norm);
        const Errors e = errors(c);
        INFO(kind << ", block " << block << ", norm " << norm << ": rotations " << e.rotations << ", gradient " << e.gradient);
        CHECK(e.rotations < single_bound(norm));
        CHECK(e.gradient < (kind == "mma" ? 1e-4 : 2e-5));
      }
    }
}
