// Gaussian blur as Pillow's ImageFilter.GaussianBlur: three box blurs along the rows, then three along the columns, each with an 8-bit result. The
// boxes have fractional width (Gwosdek et al., "Theoretical foundations of Gaussian convolution by extended box filtering", 2011): with variance s =
// radius^2 / 3 per pass and l = floor((sqrt(12 s + 1) - 1) / 2), the box radius is l + (2 l + 1) (l (l + 1) - 3 s) / (6 (s - (l + 1)^2)).
#pragma once

#include "data/transforms/rgb.h"

namespace liere {

/// `radius` is the standard deviation in pixels, 0..1000; beyond the border the border's pixels go on. 0: the picture as it is. Any number of
/// channels. Throws DataError for a radius out of range.
Frames gaussian_blur(Frames frames, double radius);

}  // namespace liere
