// Random orthogonal matrices in place of the rotations (paper section 4.M, check 2): does the model use their geometry, or only the capacity?
//   per token   every token has a matrix of its own: positions become labels without geometry
//   same        one matrix for all tokens: it cancels in q^T R^T R k, so that patches lose their positions altogether; only the unrotated CLS differs
// Blocks are Haar-distributed on O(b): the Q of a QR decomposition of a normal matrix, columns times the signs of R's diagonal (Mezzadri 2007). Pairs get
// uniform angles. Layers, heads and blocks get matrices of their own where the encoding has them. Stream: named_seed(seed, "scope.layer.I"), kRandomRotation.
#pragma once

#include "models/rotation.h"

namespace liere {

enum class RandomRotationScope { kPerToken, kSame };

/// Shape, dtype and device of `learned`; no gradient. Throws ConfigError where `learned` turns nothing (kNone, blocks of side 1).
Rotations random_rotations(const Rotations& learned, RandomRotationScope scope, uint64_t seed);

}  // namespace liere
