// The GPU's kernels that turn queries and keys, executed on the CPU, against plain double loops (turn_reference.h).
#include <vector>

#include "kernels/turn_reference.h"
#include "models/kernels/cuda_device.h"
#include "models/kernels/device_kernels.h"
#include "support/catch.h"
#include "support/cuda_on_cpu/guarded_memory.h"

namespace liere {
namespace {

template <class T>
const DeviceTurnKernels<T>& kernels();
template <>
const DeviceTurnKernels<float>& kernels() {
  return cuda_kernels().turn_float;
}
template <>
const DeviceTurnKernels<Bfloat16Bits>& kernels() {
  return cuda_kernels().turn_bfloat16;
}

// The rows of the tests are 16-byte aligned: d + 8 between the rows of [B, H, T, d].
HeadStrides loose_strides(const Shape& s) { return {s.heads * s.tokens * (s.dim + 8) + 8, s.tokens * (s.dim + 8), s.dim + 8}; }
int64_t loose_size(const Shape& s) { return s.samples * loose_strides(s).samples; }

template <class T>
void run(bool backward, const TurnPlan<T>& plan) {
  REQUIRE(kernels<T>().serves(plan));
  if (!backward) {
    REQUIRE(kernels<T>().forward(plan, nullptr) == 0);
    return;
  }
  const int64_t bytes = kernels<T>().workspace(plan);
  REQUIRE(bytes % 16 == 0);
  const GuardedArray<float> workspace(static_cast<size_t>(bytes / 4));
  REQUIRE(kernels<T>().backward(plan, workspace.data(), nullptr) == 0);
  CHECK(workspace.intact());
}

/// In place in the fused layout, into [B, H, T, d], without a gradient, and by another schedule of the threads.
template <class T>
void check(const Shape& s, bool in_chunks = false) {
  INFO(sizeof(T) << " bytes, " << s);
  emulator::set_schedule(1);
  Draw draw;
  const auto rotations = random_rotations<float>(s, draw);
  const auto x = draw.vector<T>(s.fused_count()), turned = draw.vector<T>(s.fused_count()), gaps = draw.vector<T>(2 * loose_size(s));
  const auto gradient = draw.vector<float>(s.gradient_count());
  const int64_t in_part[2] = {0, s.heads * s.dim}, out_part[2] = {0, loose_size(s)};
  const GuardedArray<float> guarded_rotations(rotations);
  for (const bool backward : {false, true}) {
    INFO((backward ? "backward" : "forward"));
    // Tensor cores take rotations rounded to bfloat16: all from side 16 on, and side 8 where its gradient is asked for.
    const bool rounded = sizeof(T) == 2, summed_on_tensor_cores = rounded && backward && s.block == 8 && s.dim % 64 == 0;
    const double share = share_of_product<T>(rounded, summed_on_tensor_cores ? 16 : s.block);
    auto in_place = x, loose = gaps, without = x;
    const GuardedArray<float> guarded_sums(gradient), guarded_loose_sums(gradient, Guard::kBefore);
    auto here = plan_of(s, rotations, in_place, in_place), there = plan_of(s, rotations, x, loose), plain = plan_of(s, rotations, without, without);
    there.out = {loose.data(), loose.data() + out_part[1], loose_strides(s)};
    here.rotations = there.rotations = plain.rotations = guarded_rotations.data();
    if (backward) {
      here.turned = there.turned = {turned.data(), turned.data() + in_part[1], s.fused()};
      here.gradient = guarded_sums.data();
      there.gradient = guarded_loose_sums.data();
      CHECK((kernels<T>().workspace(here) > 0) == in_chunks);
    }
    run(backward, here);
    emulator::set_schedule(2);  // the first warp ahead of the others, then the last
    run(backward, there);
    emulator::set_schedule(3);
    if (backward) run(backward, plain);
    CHECK(worst(s, rotations, backward, x, s.fused(), x, in_place, s.fused(), in_part, in_part, share) <= 1);
    CHECK(worst(s, rotations, backward, x, s.fused(), gaps, loose, loose_strides(s), in_part, out_part, share) <= 1);
    if (backward) {
      const std::vector<float> sums(guarded_sums.begin(), guarded_sums.end()), loose_sums(guarded_loose_sums.begin(), guarded_loose_sums.end());
      CHECK((guarded_sums.intact() && guarded_loose_sums.intact()));
      CHECK(worst(s, rotations, backward, x, s.fused(), x, without, s.fused(), in_part, in_part, share) <= 1);
      CHECK(same(sums, loose_sums));
      CHECK(worst_gradient(s, x, turned, gradient, sums) <= 1);
    }
  }
}

template <class T>
bool serves(const Shape& s, int64_t shift = 0) {
  std::vector<T> x(static_cast<size_t>(s.fused_count() + 16));
  std::vector<float> rotations(static_cast<size_t>(s.rotation_count()));
  auto plan = plan_of(s, rotations, x, x);
  plan.in.k += shift;
  return kernels<T>().serves(plan);
}

}  // namespace

TEST_CASE("cuda on cpu: turned queries and keys and their gradients match a double loop in every type and block side") {
  for (const int64_t block : {0, 2, 4, 8, 16, 32, 64})
    for (const int64_t own : {2, 1}) {
      check<float>({3, 2, 2, own, 64, block});
      check<Bfloat16Bits>({3, 2, 2, own, 64, block});
    }
}

TEST_CASE("cuda on cpu: turning serves one sample, CLS alone, several slabs, and batches that fill no chunk, stage or tile") {
  for (const Shape& s : std::vector<Shape>{{1, 2, 1, 1, 64, 64},
                                           {1, 2, 1, 1, 8, 0},
                                           {2, 1, 2, 2, 64, 64},
                                           {2, 1, 2, 2, 64, 4},
                                           {8, 2, 1, 1, 64, 64},
                                           {17, 2, 1, 1, 64, 64},
                                           {17, 2, 1, 1, 64, 16},
                                           {33, 2, 1, 1, 16, 8},
                                           {3, 3, 4, 4, 24, 8},
                                           {5, 2, 3, 3, 24, 0},
                                           {1, 3, 6, 6, 64, 8},
                                           {2, 2, 1, 1, 128, 64},
                                           {2, 2, 1, 1, 128, 32},
                                           {2, 2, 1, 1, 192, 16}}) {
    check<float>(s);
    check<Bfloat16Bits>(s);
  }
}

TEST_CASE("cuda on cpu: turning adds chunks of the batch in order") {
  for (const int64_t block : {64, 16}) {
    check<float>({71, 2, 1, 1, 64, block}, true);
    check<Bfloat16Bits>({131, 2, 1, 1, 64, block}, true);
    check<Bfloat16Bits>({67, 2, 2, 1, 64, block}, true);
  }
  check<float>({300, 2, 1, 1, 64, 8}, true);
  check<Bfloat16Bits>({150, 2, 2, 1, 64, 0}, true);
  check<Bfloat16Bits>({131, 2, 1, 1, 128, 8}, true);
}

TEST_CASE("cuda on cpu: a gradient over turned rows that are overwritten by the backward's result") {
  const Shape s{40, 2, 1, 1, 64, 64};
  Draw draw;
  const auto rotations = random_rotations<float>(s, draw);
  const auto d = draw.vector<Bfloat16Bits>(s.fused_count()), turned = draw.vector<Bfloat16Bits>(s.fused_count());
  const std::vector<float> zero(static_cast<size_t>(s.gradient_count()));
  auto out = turned;
  auto sums = zero;
  auto plan = plan_of(s, rotations, d, out);
  plan.turned = {out.data(), out.data() + s.dim, s.fused()};
  plan.gradient = sums.data();
  run(true, plan);
  const int64_t part[2] = {0, s.dim};
  CHECK(worst(s, rotations, true, d, s.fused(), turned, out, s.fused(), part, part, share_of_product<Bfloat16Bits>(true, 64)) <= 1);
  CHECK(worst_gradient(s, d, turned, zero, sums) <= 1);
}

TEST_CASE("cuda on cpu: turning refuses what it cannot serve") {
  CHECK(serves<Bfloat16Bits>({2, 2, 2, 2, 64, 64}));
  CHECK(serves<float>({2, 2, 2, 1, 64, 0}));
  for (const Shape& s : std::vector<Shape>{
           {2, 2, 2, 2, 66, 3}, {2, 2, 2, 2, 96, 48}, {2, 2, 1, 1, 128, 128}, {2, 2, 2, 2, 32, 32}, {2, 2, 2, 2, 6, 0}, {2, 2, 2, 2, 12, 4}}) {
    INFO(s);
    CHECK(!serves<Bfloat16Bits>(s));
    CHECK(!serves<float>(s));
  }
  CHECK(!serves<Bfloat16Bits>({2, 2, 2, 2, 64, 64}, 1));
  CHECK(!serves<float>({2, 2, 2, 2, 64, 8}, 2));
}

}  // namespace liere
