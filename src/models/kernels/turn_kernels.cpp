// Turning queries and keys in plain C++ for any machine, and the choice among the instruction sets.
#define LIERE_INSTRUCTION_SET baseline
#define LIERE_LANES 4
#include "models/kernels/turn_kernels_body.h"

namespace liere {
namespace {

#if defined(__x86_64__) && defined(__GNUC__)
template <class T>
const TurnKernels<T>& choose(InstructionSet set, const TurnKernels<T>& plain, const TurnKernels<T>& wide, const TurnKernels<T>& widest) {
  const InstructionSet has = instruction_set(), chosen = set < has ? set : has;
  return chosen == InstructionSet::kAvx512 ? widest : chosen == InstructionSet::kAvx2 ? wide : plain;
}
#define LIERE_CHOOSE(kernels) choose(set, baseline::kernels, avx2::kernels, avx512::kernels)
#else
#define LIERE_CHOOSE(kernels) baseline::kernels
#endif

}  // namespace

template <>
const TurnKernels<float>& turn_kernels([[maybe_unused]] InstructionSet set) {
  return LIERE_CHOOSE(kTurnFloat);
}
template <>
const TurnKernels<Bfloat16Bits>& turn_kernels([[maybe_unused]] InstructionSet set) {
#if defined(__x86_64__) && defined(__GNUC__)
  __builtin_cpu_init();
  static const bool has_bfloat16 = __builtin_cpu_supports("avx512bf16");
  if (has_bfloat16 && set == InstructionSet::kAvx512 && instruction_set() == InstructionSet::kAvx512) return avx512_bf16::kTurnBfloat16;
#endif
  return LIERE_CHOOSE(kTurnBfloat16);
}
template <>
const TurnKernels<double>& turn_kernels([[maybe_unused]] InstructionSet set) {
  return LIERE_CHOOSE(kTurnDouble);
}

}  // namespace liere
