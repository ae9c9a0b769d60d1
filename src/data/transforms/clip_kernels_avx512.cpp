#ifdef __AVX512F__
#define LIERE_CLIP_SET clip_avx512
#include "data/transforms/clip_kernels_body.h"

namespace liere::clip_avx512 {
extern const ClipKernels kKernels;
const ClipKernels kKernels{normalize, interpolate, blend, interpolate_pixels, blend_pixels};
}  // namespace liere::clip_avx512
#endif
