#ifdef __AVX2__
#define LIERE_PIXEL_SET pixel_avx2
#include "data/transforms/pixel_kernels_body.h"

namespace liere::pixel_avx2 {
extern const PixelKernels kKernels;
const PixelKernels kKernels{look_up, look_up_channels, extremes, sum_of_greys, blend_with_grey, sharpen, reverse};
}  // namespace liere::pixel_avx2
#endif
