#define LIERE_CLIP_SET clip_baseline
#include "data/transforms/clip_kernels_body.h"

namespace liere {

namespace clip_avx2 {
extern const ClipKernels kKernels;
}
namespace clip_avx512 {
extern const ClipKernels kKernels;
}

const ClipKernels& clip_kernels(InstructionSet set) {
  static constexpr ClipKernels kBaseline{clip_baseline::normalize, clip_baseline::interpolate, clip_baseline::blend, clip_baseline::interpolate_pixels,
                                         clip_baseline::blend_pixels};
#if defined(__x86_64__) && defined(__GNUC__)
  const InstructionSet has = instruction_set(), chosen = set < has ? set : has;
  if (chosen == InstructionSet::kAvx512) return clip_avx512::kKernels;
  if (chosen >= InstructionSet::kAvx2) return clip_avx2::kKernels;
#endif
  return kBaseline;
}

}  // namespace liere
