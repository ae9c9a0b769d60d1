#ifdef __AVX512F__
#define LIERE_CLIP_SET clip_avx512
#include "data/transforms/clip_kernels_body.h"

namespace liere::clip_avx512 {
extern const ClipKernels kKernels;
const ClipKernels kKernels{normalize, separate, interpolate, blend, interpolate_bytes, blend_bytes};
}  // namespace liere::clip_avx512
#endif
