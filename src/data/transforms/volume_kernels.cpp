#define LIERE_VOLUME_SET volume_baseline
#include "data/transforms/volume_kernels_body.h"

namespace liere {

namespace volume_avx2 {
extern const VolumeKernels kKernels;
}
namespace volume_avx512 {
extern const VolumeKernels kKernels;
}

const VolumeKernels& volume_kernels(InstructionSet set) {
  static constexpr VolumeKernels kBaseline{volume_baseline::to_float, volume_baseline::sample, volume_baseline::window, volume_baseline::finish};
#if defined(__x86_64__) && defined(__GNUC__)
  const InstructionSet has = instruction_set(), chosen = set < has ? set : has;
  if (chosen == InstructionSet::kAvx512) return volume_avx512::kKernels;
  if (chosen >= InstructionSet::kAvx2) return volume_avx2::kKernels;
#endif
  return kBaseline;
}

}  // namespace liere
