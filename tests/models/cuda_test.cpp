// What only a GPU can show: the same masks, rotations and gradients as on the CPU, with every attention that torch has. Skipped, with a line that says so, where there
// is none.
#include <iostream>

#include "models/dropout.h"
#include "models/kernels/apply.h"
#include "models/kernels/fused_attention.h"
#include "models/kernels/rotation_exp.h"
#include "models/one_step.h"
#include "support/catch.h"

using namespace liere;

namespace {

bool no_gpu() {
  if (torch::cuda::is_available()) return false;
  std::cout << "skipped: no usable CUDA device\n";
  return true;
}

torch::Tensor values(at::IntArrayRef shape, double scale, double phase = 0.1) {
  return torch::arange(c10::multiply_integers(shape), torch::kDouble).mul(0.7).add(phase).pow(1.5).sin().mul(scale).to(torch::kFloat).view(shape);
}

void check(const StepCase& c, double tolerance) {
  auto reference = c;
  reference.bf16 = false;  // float32 on the CPU is the truth also for bf16
  const auto expected = one_step(reference, torch::kCPU), found = one_step(c, torch::Device(torch::kCUDA, 0)), again = one_step(c, torch::Device(torch::kCUDA, 0));
  for (const auto& [name, value] : expected) {
    INFO(name);
    CHECK(relative(found.at(name), value) < tolerance);
    if (!c.bf16) CHECK(relative(again.at(name), found.at(name)) < 1e-6);
  }
}

const std::vector<PositionConfig> kEncodings = {AbsoluteConfig{}, RopeConfig{}, VisionLlamaConfig{}, RopeMixedConfig{}, LiereConfig{.block_size = 4}, LiereConfig{.block_size = 8}, LiereConfig{.block_size = 16},
                                                LiereConfig{.block_size = 32}, LiereConfig{.block_size = 64}};

}  // namespace

TEST_CASE("cuda: dropout draws the CPU's masks", "[gpu]") {
  if (no_gpu()) return;
  const DropoutKey key{11, 3, torch::tensor({5, 2, 9}, torch::kInt64)};
  for (const auto dtype : {torch::kFloat, torch::kBFloat16, torch::kDouble}) {
    const auto x = torch::ones({3, 7, 33}, dtype);
    CHECK(torch::equal(counter_dropout(x.cuda(), 0.3, key, 2, DropoutSite::kMlpOut).cpu(), counter_dropout(x, 0.3, key, 2, DropoutSite::kMlpOut)));
  }
}

TEST_CASE("cuda: a training step's logits and gradients are the CPU's, fused and composed, for every encoding", "[gpu]") {
  if (no_gpu()) return;
  for (const auto& position : kEncodings) {
    INFO("encoding " << position.index());
    const StepCase c{.position = position, .width = 128, .heads = 2};
    auto composed = c, reference = c, narrow = c;
    composed.fused = false;
    reference.path = RotationPath::kReference;
    narrow.bf16 = true;
    check(c, 1e-4);
    check(composed, 1e-4);
    check(reference, 1e-4);
    check(narrow, 0.05);
  }
  check({.position = LiereConfig{.block_size = 16, .share = Share::kBoth}, .qkv_bias = true, .consecutive = true}, 1e-4);
  check({.position = LiereConfig{.block_size = 8}, .width = 128, .heads = 2, .step_on_device = true}, 1e-4);
}

TEST_CASE("cuda: exp and its gradient are float64's", "[gpu]") {
  if (no_gpu()) return;
  const auto axis = torch::linspace(0, 1, 8), positions = torch::stack(torch::meshgrid({axis, axis}, "ij"), -1).view({64, 2});
  for (const int64_t block : {4, 8, 16, 32, 64}) {
    for (const double scale : {0.1, 1.0, 6.283185307179586}) {
      INFO("b = " << block << ", generators up to " << scale);
      const int64_t blocks = 128 / block;
      const auto generators = values({2, 3, 2, blocks / 2, block * (block - 1) / 2}, scale / 2).add(scale / 2);
      const auto x = values({3, 64, 2, blocks / 2, block, block}, 1, 0.3);
      const auto exact = rotation_exp(generators.to(torch::kDouble), positions.to(torch::kDouble), block);
      const auto exact_gradient = rotation_exp_gradient(generators.to(torch::kDouble), positions.to(torch::kDouble), x.to(torch::kDouble));
      for (const auto path : {RotationPath::kKernels, RotationPath::kReference}) {
        const auto r = rotation_exp(generators.cuda(), positions.cuda(), block, path).cpu();
        const auto gradient = rotation_exp_gradient(generators.cuda(), positions.cuda(), x.cuda(), path).cpu();
        INFO("path " << static_cast<int>(path) << ": value " << relative(r, exact) << ", gradient " << relative(gradient, exact_gradient));
        CHECK(relative(r, exact) < 2.7e-5);
        CHECK(relative(gradient, exact_gradient) < 1e-4);
      }
    }
  }
}

TEST_CASE("cuda: turning is float64's, forward and backward, in place and not", "[gpu]") {
  if (no_gpu()) return;
  for (const int64_t block : {0, 4, 8, 16, 32, 64}) {
    for (const auto dtype : {torch::kFloat, torch::kBFloat16}) {
      for (const int64_t batch : {1, 37, 130}) {
        INFO("b = " << block << ", " << c10::toString(dtype) << ", batch " << batch);
        const int64_t heads = 3, tokens = 9, dim = 64;
        Rotations set;
        set.kind = block ? Rotations::Kind::kBlocks : Rotations::Kind::kPairs;
        set.value = block ? values({1, tokens, heads, dim / block, block, block}, 0.3) : values({1, tokens, heads, dim / 2, 2}, 1);
        set.gradient = block ? values(set.value.sizes(), 1, 0.7) : values({1, tokens, heads, dim / 2}, 1, 0.7);
        const auto qkv = values({batch, tokens + 1, 3 * heads * dim}, 1).to(dtype), turned = values(qkv.sizes(), 1, 0.2).to(dtype);
        const auto run = [&](torch::Device device, torch::Dtype type, bool backward, bool in_place) {
          auto x = qkv.to(device, type, false, true);
          LayerRotations layer(set, 0);
          layer.value = layer.value.to(device, type == torch::kDouble ? torch::kDouble : torch::kFloat);
          layer.gradient = layer.gradient.to(device, layer.value.scalar_type(), false, true);
          const auto from = query_key_of(x, heads), past = query_key_of(turned.to(device, type), heads);
          const auto to = in_place ? from : query_key_of(x.clone(), heads);
          backward ? turn_backward(from, past, to, layer) : turn(from, to, layer);
          return std::vector<torch::Tensor>{to.q_BHTD.cpu().to(torch::kDouble), to.k_BHTD.cpu().to(torch::kDouble), layer.gradient.cpu().to(torch::kDouble)};
        };
        for (const bool backward : {false, true}) {
          const auto exact = run(torch::kCPU, torch::kDouble, backward, false);
          for (const bool in_place : {false, true}) {
            const auto found = run(torch::Device(torch::kCUDA, 0), dtype, backward, in_place);
            const double tolerance = dtype == torch::kFloat ? 2e-6 : 6e-3;
            INFO("backward " << backward << ", in place " << in_place);
            for (int i = 0; i < 2; ++i) CHECK(relative(found[static_cast<size_t>(i)], exact[static_cast<size_t>(i)]) < tolerance);
            const auto skew = [&](const torch::Tensor& g) { return block ? g - g.transpose(-1, -2) : g; };
            CHECK(relative(skew(found[2]), skew(exact[2])) < 1e-5);
          }
        }
      }
    }
  }
}

TEST_CASE("cuda: every fused attention of torch that can run has the values and gradients of plain products", "[gpu]") {
  if (no_gpu()) return;
  auto& context = at::globalContext();
  for (const auto dtype : {torch::kFloat, torch::kBFloat16}) {
    const auto qkv = values({5, 65, 3 * 2 * 64}, 1).to(torch::kCUDA, dtype), dmixed = values({5, 65, 128}, 1, 0.4).to(torch::kCUDA, dtype);
    const auto heads = heads_of(qkv, 2), wide = heads_of(qkv.to(torch::kDouble), 2);
    const auto exact = plain_attend(wide);
    const auto gradients = plain_attend_backward(wide, exact, dmixed.to(torch::kDouble));
    for (int backend = 0; backend < 4; ++backend) {
      context.setSDPUseMath(backend == 0);
      context.setSDPUseFlash(backend == 1);
      context.setSDPUseMemEfficient(backend == 2);
      context.setSDPUseCuDNN(backend == 3);
      if (dtype == torch::kFloat && (backend == 1 || backend == 3)) continue;
      const auto found = attend(heads);
      INFO("asked for " << backend << ", ran " << static_cast<int>(found.backend) << ", " << c10::toString(dtype));
      CHECK(static_cast<int>(found.backend) == backend);
      const double tolerance = dtype == torch::kFloat ? 1e-5 : 1e-2;
      CHECK(relative(found.mixed_BTW.cpu(), exact.mixed_BTW.cpu()) < tolerance);
      const auto d = attend_backward(heads, found, dmixed);
      CHECK(relative(d.q.cpu(), gradients.q.cpu()) < 2 * tolerance);
      CHECK(relative(d.k.cpu(), gradients.k.cpu()) < 2 * tolerance);
      CHECK(relative(d.v.cpu(), gradients.v.cpu()) < 2 * tolerance);
    }
    context.setSDPUseMath(true);
    context.setSDPUseFlash(true);
    context.setSDPUseMemEfficient(true);
    context.setSDPUseCuDNN(true);
  }
}
