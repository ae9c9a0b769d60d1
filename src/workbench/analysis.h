// The figures of the workbench: what every layer's and head's rotation makes of an offset between two tokens.
//
//   score     s(p, d) = tr(R(p)^T R(p + d)) / head_dim      the mean of q . k over contents q = k of all directions alike: 1 at d = 0, the encoding
//   alone logit     <R(p)^T R(p + d), S>_F / sqrt(head_dim), S = E[q k^T] of two tokens of the same content u, q = W_q u, k = W_k u: what attention
//   reads before
//             the softmax. u = LayerNorm(x) * scale + shift of isotropic normal x, for which E[LayerNorm(x) LayerNorm(x)^T] = (I - 1 1^T / W) W / (W
//             - 1).
//   departure ||R(p)^T R(p + d) - R(d)||_F / sqrt(2 head_dim): 0 where the offset alone counts, about 1 for unrelated rotations
//
// R is made in fp32 by the kernels of training. An offset d stands for d token steps of the training grid along each axis.
#pragma once

#include <limits>
#include <string>
#include <vector>

#include "workbench/learned_encoding.h"

namespace liere::report {

/// Offsets -(m - 1) .. m - 1 along each axis of a grid of m, last axis fastest.
struct Window {
  std::vector<int64_t> grid;
  int64_t side(size_t axis) const { return 2 * grid[axis] - 1; }
  int64_t count() const;
  std::vector<int64_t> offset(int64_t index) const;
  int64_t index(const std::vector<int64_t>& offset) const;
};

/// Over the window; NaN where no such pair of tokens exists.
struct ScoreMaps {
  std::vector<float> origin;           // s(0, d), also beyond the grid: R(-d) = R(d)^T
  std::vector<float> centre;           // s(c, d) of the token in the middle
  std::vector<float> mean, deviation;  // over tokens p (all, or 64 evenly chosen) and the p + d that exist
  std::vector<float> logit_origin, logit_centre;
};

struct HeadFigures {
  ScoreMaps maps;
  std::vector<std::vector<double>> frequencies,
      start_frequencies;  // per axis, radians per unit of position, largest first; start: empty where unknown
  // Root mean square over the pairs of axes of ||[A_i, A_j]||_F / (||A_i||_F ||A_j||_F); NaN of one axis.
  double commutator = std::numeric_limits<double>::quiet_NaN(), start_commutator = commutator;
  double departure = 0;               // mean over pairs (p, p + d) of tokens evenly chosen
  std::vector<double> range;          // per axis: token steps to the first score under 1/2 from the origin; infinity: not within 4 times the grid
  std::vector<double> orthogonality;  // max |R^T R - I| per size of Analysis::sizes
  int64_t mirrored = 0;               // tokens of the training size whose determinant is not above 0
};

struct Analysis {
  LearnedEncoding encoding;
  Window window;
  std::vector<std::vector<int64_t>> sizes;  // grids of the orthogonality: training size, then 2 and 4 times it where that is no great work
  std::vector<HeadFigures> heads;           // [layers, heads]; empty where nothing turns
  std::vector<float> similarity;            // [tokens, tokens]: cosine of the table's rows; empty without a table
  const HeadFigures& at(int64_t layer, int64_t head) const { return heads[static_cast<size_t>(layer * encoding.heads() + head)]; }
};

/// E[q k^T] of one head, its diagonal blocks alone: [blocks, b, b].
std::vector<float> query_key_moments(const Projection& projection, int64_t head, int64_t head_dim, int64_t block);

/// ||[A_i, A_j]||_F / (||A_i||_F ||A_j||_F), root mean square over pairs of axes, of generators [axes, blocks, b (b - 1) / 2].
double commutator_norm(const std::vector<double>& generators, int64_t axes, int64_t blocks, int64_t block);

/// Steps of `step` from the origin to the first score under 1/2, the score being (fixed + sum 2 cos(theta t)) / head_dim; infinity beyond `reach`
/// steps.
double steps_to_half(const std::vector<double>& frequencies, int64_t head_dim, double step, double reach);

Analysis analyse(LearnedEncoding encoding);

}  // namespace liere::report
