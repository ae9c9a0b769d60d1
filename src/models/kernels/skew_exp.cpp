// The exponential in plain C++ for any machine, and the choice among the instruction sets.
#define LIERE_INSTRUCTION_SET baseline
#define LIERE_VECTOR_BYTES 16
#include "models/kernels/skew_exp_body.h"

namespace liere {

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
