// Rays: points p on one line through the origin. M(p) = sum_a p_a A_a is linear in p, so R(r p) = exp(r M(p)) shares the eigenvectors of M(p) for
// every real r: one decomposition serves all points of a ray. On an 8 x 8 grid 63 points lie on 37 rays; with one axis there is one ray in all.
#pragma once

#include <cstdint>
#include <vector>

namespace liere {

template <class T>
struct Rays {
  struct Point {
    int64_t token;
    T ratio;  // p = ratio * (the ray's base point), at most 1 in size
  };
  std::vector<T> bases;         // [rays, n] the point farthest from the origin
  std::vector<int64_t> first;   // [rays + 1] into points
  std::vector<Point> points;    // ray by ray
  std::vector<int64_t> origin;  // tokens at p = 0: R = I
  int64_t count() const { return static_cast<int64_t>(first.size()) - 1; }
};

/// From positions [N, n], in a fixed order, in O(N log N). Points are on one ray if they are so within 4 ulp. shared = false: every point is a ray of
/// its own.
template <class T>
Rays<T> find_rays(const T* positions, int64_t tokens, int64_t axes, bool shared);

/// The rays as a GPU's kernels take them: tokens at q, 2 q, .., K q for a ray's nearest point q, so that R(k q) = R(q)^k. Points that fit no such row, and the origin, are rays
/// of one token. Every token stands in one ray; long rays come first, then far ones: what takes longest begins first.
struct RayTable {
  std::vector<int32_t> first;   // [rays + 1] into tokens
  std::vector<int32_t> tokens;  // [N]
  int64_t count() const { return static_cast<int64_t>(first.size()) - 1; }
};
RayTable ray_table(const float* positions, int64_t tokens, int64_t axes);

}  // namespace liere
