#ifdef __AVX512F__
#define LIERE_BICUBIC_SET bicubic_avx512
#include "data/transforms/bicubic_kernels_body.h"

namespace liere::bicubic_avx512 {
extern const BicubicKernels kKernels;
const BicubicKernels kKernels{line, pixels};
}  // namespace liere::bicubic_avx512
#endif
