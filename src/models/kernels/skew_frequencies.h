// The angular frequencies of skew-symmetric blocks: A = W D W^T turns floor(b / 2) planes, plane k by theta_k radians per unit of position
// (skew_spectral.h). They are A's singular values, each standing for two of them; for b = 2 there is one, |entry|.
#pragma once

#include <cstdint>
#include <vector>

namespace liere {

/// Blocks [count, b (b - 1) / 2], entries of the strict upper triangle row by row -> [count, floor(b / 2)], largest first, each at least 0; those of
/// a block that is not finite are NaN.
std::vector<double> skew_frequencies(const double* blocks, int64_t count, int64_t block);

}  // namespace liere
