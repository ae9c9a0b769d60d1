#ifdef __AVX2__
#define LIERE_CLIP_SET clip_avx2
#include "data/transforms/clip_kernels_body.h"

namespace liere::clip_avx2 {
extern const ClipKernels kKernels;
const ClipKernels kKernels{normalize, separate, interpolate, blend, interpolate_bytes, blend_bytes};
}  // namespace liere::clip_avx2
#endif
