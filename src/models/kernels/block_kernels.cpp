// The fused kernels in plain C++ for any machine, and the choice among the instruction sets.
#define LIERE_INSTRUCTION_SET baseline
#define LIERE_LANES 4
#include "models/kernels/block_kernels_body.h"
#include "core/instruction_set.h"

namespace liere {
namespace {

template <class T>
const BlockKernels<T>& choose(const BlockKernels<T>& plain, [[maybe_unused]] const BlockKernels<T>* wide, [[maybe_unused]] const BlockKernels<T>* widest) {
  const InstructionSet set = instruction_set();
  return set == InstructionSet::kAvx512 ? *widest : set == InstructionSet::kAvx2 ? *wide : plain;
}

}  // namespace

#if defined(__x86_64__) && defined(__GNUC__)
template <>
const BlockKernels<float>& block_kernels() {
  return choose(baseline::kFloat, &avx2::kFloat, &avx512::kFloat);
}
template <>
const BlockKernels<Bfloat16Bits>& block_kernels() {
  return choose(baseline::kBfloat16, &avx2::kBfloat16, &avx512::kBfloat16);
}
#else
template <>
const BlockKernels<float>& block_kernels() {
  return baseline::kFloat;
}
template <>
const BlockKernels<Bfloat16Bits>& block_kernels() {
  return baseline::kBfloat16;
}
#endif

void add_chunks(const float* sums, int64_t chunks, int64_t width, float* out) {
  memcpy(out, sums, static_cast<size_t>(width) * sizeof(float));
  for (int64_t chunk = 1; chunk < chunks; ++chunk)
    for (int64_t j = 0; j < width; ++j) out[j] += sums[chunk * width + j];
}

}  // namespace liere
