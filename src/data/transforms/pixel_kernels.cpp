#define LIERE_PIXEL_SET pixel_baseline
#include "data/transforms/pixel_kernels_body.h"

namespace liere {

namespace pixel_avx2 {
extern const PixelKernels kKernels;
}
namespace pixel_avx512 {
extern const PixelKernels kKernels;
}

namespace {

constexpr PixelKernels kBaseline{pixel_baseline::look_up,      pixel_baseline::look_up_channels, pixel_baseline::extremes,
                                 pixel_baseline::sum_of_greys, pixel_baseline::blend_with_grey,  pixel_baseline::sharpen,
                                 pixel_baseline::reverse};

bool has_byte_permutations() {
#if defined(__x86_64__) && defined(__GNUC__)
  return __builtin_cpu_supports("avx512vbmi");
#else
  return false;
#endif
}

}  // namespace

const PixelKernels& pixel_kernels(InstructionSet set) {
#if defined(__x86_64__) && defined(__GNUC__)
  static const bool byte_permutations = has_byte_permutations();
  const InstructionSet has = instruction_set(), chosen = set < has ? set : has;
  if (chosen == InstructionSet::kAvx512 && byte_permutations) return pixel_avx512::kKernels;
  if (chosen >= InstructionSet::kAvx2) return pixel_avx2::kKernels;
#endif
  return kBaseline;
}

}  // namespace liere
