#ifdef __AVX2__
#define LIERE_BICUBIC_SET bicubic_avx2
#include "data/transforms/bicubic_kernels_body.h"

namespace liere::bicubic_avx2 {
extern const BicubicKernels kKernels;
const BicubicKernels kKernels{line, pixels};
}  // namespace liere::bicubic_avx2
#endif
