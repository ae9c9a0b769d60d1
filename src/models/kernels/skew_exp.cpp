// The exponential in plain C++ for any machine, and the choice among the instruction sets.
#define LIERE_INSTRUCTION_SET baseline
#define LIERE_VECTOR_BYTES 16
#include "models/kernels/skew_exp_body.h"

namespace liere {
namespace {

/// Rotations of the QR iteration per side and (n / 2)^2, as measured for generators from U[0, 2 pi).
double rotations_of(int64_t n) { return n >= 16 ? 1.2 : n >= 6 ? 0.75 : n == 4 ? 0.5 : 0; }

}  // namespace

template <class T>
SkewExpWork skew_exp_work(const SkewExpPlan<T>& plan) {
  const int64_t n = baseline::Sides<T>(plan.block).n;
  const Rays<T> rays = find_rays(plan.positions, plan.tokens, plan.axes, plan.rays && plan.block > 8);
  // Tridiagonal form 4/3, rotations of two halves by 3 multiply-adds an entry, reflections back 2; a product 2, half of one 1.
  const double cube = static_cast<double>(n) * n * n, decomposition = (n > 2 ? 4.0 / 3 + 1.5 * rotations_of(n) + 2 : 0) * cube;
  const double items = static_cast<double>(plan.layers * plan.groups), bases = static_cast<double>(rays.count()) * items,
               points = static_cast<double>(rays.points.size()) * items;
  return {bases * decomposition + points * 2 * cube, bases * (decomposition + 3 * cube) + points * 3 * cube};
}
template SkewExpWork skew_exp_work(const SkewExpPlan<float>&);
template SkewExpWork skew_exp_work(const SkewExpPlan<double>&);

#if defined(__x86_64__) && defined(__GNUC__)
namespace avx2 {
extern const SkewExpKernels<float> kSkewExpFloat;
extern const SkewExpKernels<double> kSkewExpDouble;
}  // namespace avx2
namespace avx512 {
extern const SkewExpKernels<float> kSkewExpFloat;
extern const SkewExpKernels<double> kSkewExpDouble;
}  // namespace avx512

template <>
const SkewExpKernels<float>& skew_exp_kernels(InstructionSet set) {
  return set == InstructionSet::kAvx512 ? avx512::kSkewExpFloat : set == InstructionSet::kAvx2 ? avx2::kSkewExpFloat : baseline::kSkewExpFloat;
}
template <>
const SkewExpKernels<double>& skew_exp_kernels(InstructionSet set) {
  return set == InstructionSet::kAvx512 ? avx512::kSkewExpDouble : set == InstructionSet::kAvx2 ? avx2::kSkewExpDouble : baseline::kSkewExpDouble;
}
#else
template <>
const SkewExpKernels<float>& skew_exp_kernels(InstructionSet) {
  return baseline::kSkewExpFloat;
}
template <>
const SkewExpKernels<double>& skew_exp_kernels(InstructionSet) {
  return baseline::kSkewExpDouble;
}
#endif

}  // namespace liere
