#ifdef __AVX2__
#define LIERE_CLIP_SET clip_avx2
#include "data/transforms/clip_kernels_body.h"

namespace liere::clip_avx2 {
extern const ClipKernels kKernels;
const ClipKernels kKernels{normalize, interpolate, blend, interpolate_pixels, blend_pixels};
}  // namespace liere::clip_avx2
#endif
