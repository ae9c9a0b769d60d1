#ifdef __AVX2__
#define LIERE_VOLUME_SET volume_avx2
#include "data/transforms/volume_kernels_body.h"

namespace liere::volume_avx2 {
extern const VolumeKernels kKernels;
const VolumeKernels kKernels{to_float, sample, window};
}  // namespace liere::volume_avx2
#endif
