#ifdef __AVX512F__
#define LIERE_VOLUME_SET volume_avx512
#include "data/transforms/volume_kernels_body.h"

namespace liere::volume_avx512 {
extern const VolumeKernels kKernels;
const VolumeKernels kKernels{to_float, sample, window};
}  // namespace liere::volume_avx512
#endif
