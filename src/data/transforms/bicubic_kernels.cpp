#define LIERE_BICUBIC_SET bicubic_baseline
#include "data/transforms/bicubic_kernels_body.h"

namespace liere {

namespace bicubic_avx2 {
extern const BicubicKernels kKernels;
}
namespace bicubic_avx512 {
extern const BicubicKernels kKernels;
}

const BicubicKernels& bicubic_kernels(InstructionSet set) {
  static constexpr BicubicKernels kBaseline{bicubic_baseline::line, bicubic_baseline::pixels};
#if defined(__x86_64__) && defined(__GNUC__)
  const InstructionSet has = instruction_set(), chosen = set < has ? set : has;
  if (chosen == InstructionSet::kAvx512) return bicubic_avx512::kKernels;
  if (chosen >= InstructionSet::kAvx2) return bicubic_avx2::kKernels;
#endif
  return kBaseline;
}

}  // namespace liere
