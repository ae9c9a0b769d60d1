#ifdef __AVX512F__
#include <immintrin.h>

#define LIERE_VOLUME_SET volume_avx512
#define LIERE_VOLUME_LANES 16
#define LIERE_VOLUME_STREAM _mm512_stream_ps
#define LIERE_VOLUME_FENCE _mm_sfence
#include "data/transforms/volume_kernels_body.h"

namespace liere::volume_avx512 {
extern const VolumeKernels kKernels;
const VolumeKernels kKernels{to_float, sample, window, finish};
}  // namespace liere::volume_avx512
#endif
