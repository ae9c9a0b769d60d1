// The GPU's code path from the model down to its kernels, on the CPU: plans, strides, workspaces and kernels are the GPU's (executed by
// tests/support/cuda_on_cpu), matrix products and attention the CPU's. What remains for a GPU to show is in cuda_test.cpp.
#include "models/kernels/device_dispatch.h"
#include "models/kernels/fused_attention.h"
#include "models/one_step.h"
#include "support/catch.h"

namespace liere {
const DeviceKernels& cuda_kernels_on_cpu();
}

using namespace liere;

namespace {

std::map<std::string, torch::Tensor> device_step(const StepCase& c) {
  const ServeCpuTensors serve(cuda_kernels_on_cpu());
  return one_step(c, torch::kCPU);
}

void check(const StepCase& c, double tolerance) {
  const auto expected = one_step(c, torch::kCPU), found = device_step(c);
  bool same = true;
  for (const auto& [name, value] : expected) {
    INFO(name);
    CHECK(relative(found.at(name), value) < (name == "generators" ? std::max(tolerance, 2e-5) : tolerance));  // exp by another method there
    same = same && torch::equal(found.at(name), value);
  }
  if (c.fused && !c.bf16) CHECK_FALSE(same);  // it ran
}

}  // namespace

TEST_CASE("cuda on cpu: a training step through the GPU's kernels has the CPU's loss and gradients, for every kind of rotation") {
  for (const PositionConfig& position : std::vector<PositionConfig>{AbsoluteConfig{}, RopeConfig{}, RopeMixedConfig{}, LiereConfig{.block_size = 8}, LiereConfig{.block_size = 32}}) {
    INFO(position.index());
    check({.position = position}, 3e-6);
    check({.position = position, .fused = false}, 3e-6);
    check({.position = position, .bf16 = true}, 0.01);
  }
}

TEST_CASE("cuda on cpu: sharing, biases and consecutive slots") {
  check({.position = LiereConfig{.block_size = 16, .share = Share::kBoth}, .qkv_bias = true, .consecutive = true}, 3e-6);
  check({.position = LiereConfig{.block_size = 4}, .width = 96, .heads = 3, .qkv_bias = true, .dropout = 0}, 3e-6);
}

TEST_CASE("cuda on cpu: the step that keys the dropout may stand in memory, with the CPU's kernels and the GPU's") {
  for (const bool fused : {true, false}) {
    const StepCase given{.position = LiereConfig{.block_size = 8}, .fused = fused};
    auto in_memory = given;
    in_memory.step_on_device = true;
    for (const bool device : {false, true}) {
      INFO("fused " << fused << ", the GPU's " << device);
      const auto expected = device ? device_step(given) : one_step(given, torch::kCPU), found = device ? device_step(in_memory) : one_step(in_memory, torch::kCPU);
      for (const auto& [name, value] : expected) CHECK(torch::equal(found.at(name), value));
    }
  }
}

TEST_CASE("attention by plain products is torch's, forward and backward") {
  const auto qkv = torch::sin(torch::arange(2 * 7 * 3 * 2 * 12, torch::kDouble).pow(1.3)).view({2, 7, 72});
  const auto dmixed = torch::cos(torch::arange(2 * 7 * 24, torch::kDouble).pow(1.2)).view({2, 7, 24});
  const auto heads = heads_of(qkv, 2);
  const auto expected = attend(heads), found = plain_attend(heads);
  CHECK(relative(found.mixed_BTW, expected.mixed_BTW) < 1e-12);
  CHECK(relative(found.lse, expected.lse) < 1e-12);
  const auto wanted = attend_backward(heads, expected, dmixed), gradients = plain_attend_backward(heads, found, dmixed);
  CHECK(relative(gradients.q, wanted.q) < 1e-12);
  CHECK(relative(gradients.k, wanted.k) < 1e-12);
  CHECK(relative(gradients.v, wanted.v) < 1e-12);
}
