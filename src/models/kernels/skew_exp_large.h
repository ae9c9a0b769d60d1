// Blocks beyond 8: rays are decomposed kLanes at a time; the products of every point are those of one row-major matrix.
#pragma once

#include "models/kernels/dense_products.h"
#include "models/kernels/skew_angles.h"
#include "models/kernels/skew_exp_lanes.h"

namespace liere::LIERE_INSTRUCTION_SET {
namespace {

/// The eigenvectors of one ray, row-major: rows u_0 .. u_{h-1}, v_0 .. v_{h-1}, and its angles.
template <class T>
struct Eigenpairs {
  const T *w, *theta;
};

/// Scratch of the row-major part.
template <class T>
struct Squares {
  T *w, *theta;                        // [kLanes, n, row] (w lies in the memory of the reflections, which are no longer needed), [kLanes, angles]
  T *first, *second, *third, *fourth;  // [n, row]
  T *angle, *sin, *cos;                // [angles]
  int64_t angles;
  Vec<T>* entries;  // [n, E] of the generators in the lanes
};

template <class T>
Squares<T> take_squares(Scratch& scratch, const Sides<T>& s, const Spectral<T>& spectral, int64_t axes) {
  Squares<T> out{};
  out.angles = round_up(s.h, kLanes<T>);
  out.w = reinterpret_cast<T*>(spectral.m);
  out.theta = scratch.take<T>(out.angles * kLanes<T>);
  for (T** square : {&out.first, &out.second, &out.third, &out.fourth}) *square = scratch.take<T>(s.square());
  for (T** row : {&out.angle, &out.sin, &out.cos}) *row = scratch.take<T>(out.angles);
  out.entries = scratch.take<Vec<T>>(axes * s.b * (s.b - 1) / 2);
  return out;
}

template <class T>
size_t bytes_of(const Sides<T>& s, int64_t axes) {
  return s.spectral_bytes() + sizeof(Vec<T>) * static_cast<size_t>(axes * s.b * (s.b - 1) / 2) +
         sizeof(T) * static_cast<size_t>(4 * s.square() + round_up(s.h, kLanes<T>) * (kLanes<T> + 3)) + 64 * 16;
}

template <class T>
void unpack(const Spectral<T>& spectral, const Sides<T>& s, const Squares<T>& out) {
  T* to[kLanes<T>];
  for (int64_t k = 0; k < s.n; ++k) {
    for (int lane = 0; lane < kLanes<T>; ++lane) to[lane] = out.w + lane * s.square() + k * s.row;
    lanes_to_memory(spectral.w + k * s.stride, s.row, to);
  }
  for (int lane = 0; lane < kLanes<T>; ++lane)
    for (int64_t k = 0; k < out.angles; ++k) out.theta[lane * out.angles + k] = k < s.h ? spectral.theta[k][lane] : T(0);
}

template <class T>
LIERE_INLINE void scaled_angles(const Squares<T>& q, const T* theta, T ratio) {
  for (int64_t k = 0; k < q.angles; k += kLanes<T>) {
    const Vec<T> angle = load(theta + k) * ratio;
    const auto at = sine_cosine<T>(angle);
    store(q.angle + k, angle);
    store(q.sin + k, at.sin);
    store(q.cos + k, at.cos);
  }
}

/// Errors of the eigenvectors enter W D W^T in proportion to D, and I + W (D - I) W^T to D - I: 1 (take the second) where that is the smaller.
template <class T>
LIERE_INLINE T shift_of(const Sides<T>& s, const Squares<T>& q) {
  T sum = 0;
  for (int64_t k = 0; k < s.h; ++k) sum += q.cos[k];
  return sum * 2 > T(s.h) ? T(1) : T(0);
}

/// out [b, b] = exp(ratio M).
template <class T>
void exponential(const Sides<T>& s, const Squares<T>& q, Eigenpairs<T> pairs, T ratio, T* out) {
  scaled_angles(q, pairs.theta, ratio);
  T* const y = q.first;
  const T shift = shift_of(s, q);
  for (int64_t k = 0; k < s.h; ++k) {
    const T sin = q.sin[k], cos = q.cos[k] - shift;
    for (int64_t i = 0; i < s.row; i += kLanes<T>) {
      const Vec<T> u = load(pairs.w + k * s.row + i), v = load(pairs.w + (s.h + k) * s.row + i);
      store(y + k * s.row + i, cos * u - sin * v);
      store(y + (s.h + k) * s.row + i, sin * u + cos * v);
    }
  }
  T* const r = s.b == s.row ? out : q.second;
  product<T, false>(y, pairs.w, s.n, s.row, s.n, r, s.row);
  for (int64_t i = 0; i < s.b; ++i) r[i * s.row + i] += shift;
  if (r == out) return;
  for (int64_t i = 0; i < s.b; ++i) copy_some(out + i * s.b, r + i * s.row, s.b);
}

/// sum [n, row] += weight phi1(-ad)[g] in the eigenbasis, g skew and whole.
template <class T, int kWidth>
LIERE_INLINE void add_phi1(const Sides<T>& s, const Squares<T>& q, const T* g, T weight, T* sum) {
  using V = typename VectorOf<T, kWidth>::Type;
  const int64_t below = s.h * s.row;
  for (int64_t j = 0; j < s.h; ++j) {
    const SineCosine<V> at_j = {V{} + q.sin[j], V{} + q.cos[j]};
    for (int64_t k = 0; k < s.h; k += kWidth) {
      const int64_t uu = j * s.row + k, uv = uu + s.h;
      const auto turned = apply_phi1<V>({load_as<V>(g + uu), load_as<V>(g + uv), load_as<V>(g + below + uu), load_as<V>(g + below + uv)},
                                        V{} + q.angle[j], at_j, load_as<V>(q.angle + k), {load_as<V>(q.sin + k), load_as<V>(q.cos + k)});
      store(sum + uu, load_as<V>(sum + uu) + weight * turned.uu);
      store(sum + uv, load_as<V>(sum + uv) + weight * turned.uv);
      store(sum + below + uu, load_as<V>(sum + below + uu) + weight * turned.vu);
      store(sum + below + uv, load_as<V>(sum + below + uv) + weight * turned.vv);
    }
  }
}

/// The strict upper triangle decides: lower = -upper, diagonal 0.
template <class T>
LIERE_INLINE void mirror_skew(T* g, int64_t n, int64_t row) {
  for (int64_t i = 0; i < n; ++i) {
    g[i * row + i] = 0;
    for (int64_t j = 0; j < i; ++j) g[i * row + j] = -g[j * row + i];
  }
}

/// gamma [n, row] = X - X^T, padded with zeros.
template <class T>
LIERE_INLINE void twice_skew_part(const Sides<T>& s, const T* x, T* turned, T* gamma) {
  if (s.b == s.row) {
    transpose(x, s.n, s.row, turned);
    for (int64_t e = 0; e < s.square(); e += kLanes<T>) store(gamma + e, load(x + e) - load(turned + e));
    return;
  }
  memset(gamma, 0, static_cast<size_t>(s.square()) * sizeof(T));
  for (int64_t i = 0; i < s.b; ++i)
    for (int64_t j = 0; j < s.b; ++j) gamma[i * s.row + j] = x[i * s.b + j] - x[j * s.b + i];
}

/// -phi1(-ad_{ratio M})[X - X^T] * ratio added to `sum`, in the eigenbasis. columns: the eigenvectors as columns, row-major.
template <class T>
void add_point(const Sides<T>& s, const Squares<T>& q, Eigenpairs<T> pairs, const T* columns, T ratio, const T* x, T* sum) {
  T *const gamma = q.third, *const half = q.fourth;
  twice_skew_part(s, x, half, gamma);
  product<T, false>(gamma, columns, s.n, s.row, s.n, half, s.row);  // -Gamma W
  product<T, true>(columns, half, s.n, s.row, s.n, gamma, s.row);   // -W^T Gamma W
  mirror_skew(gamma, s.n, s.row);
  scaled_angles(q, pairs.theta, ratio);
  constexpr int kL = kLanes<T>;
  if (s.h % kL == 0)
    add_phi1<T, kL>(s, q, gamma, ratio, sum);
  else if (kL > 8 && s.h % 8 == 0)
    add_phi1<T, (kL > 8 ? 8 : kL)>(s, q, gamma, ratio, sum);
  else
    add_phi1<T, (kL > 4 ? 4 : kL)>(s, q, gamma, ratio, sum);
}

/// The rays of items [begin, end), one after the other, kLanes at a time: a vector may hold rays of several generators. Each lane's result is its own
/// whatever its neighbours are, and the rays of an item come in order, so nothing depends on where the items were cut.
template <class T>
class RaysOfItems {
 public:
  RaysOfItems(const SkewExpPlan<T>& plan, const Rays<T>& rays, int64_t begin, int64_t end) : plan_(plan), rays_(rays), begin_(begin) {
    for (int64_t item = begin; item < end; ++item) generators_.push_back(generator_of(plan, item));
  }
  int64_t count() const { return static_cast<int64_t>(generators_.size()) * rays_.count(); }
  int64_t item(int64_t i) const { return begin_ + i / rays_.count(); }
  int64_t ray(int64_t i) const { return i % rays_.count(); }
  const Generator<T>& generator(int64_t item) const { return generators_[item - begin_]; }

  /// Decomposes [first, first + lanes); returns lanes. entries: room for [n, E] vectors.
  int decompose(const Spectral<T>& s, int64_t first, Vec<T>* entries) const {
    Points<T> points{};
    points.lanes = static_cast<int>(count() - first < kLanes<T> ? count() - first : kLanes<T>);
    for (int lane = 0; lane < points.lanes; ++lane)
      points.set(lane, &rays_.bases[ray(first + lane) * plan_.axes], plan_.axes, generator(item(first + lane)));
    if (item(first) == item(first + points.lanes - 1)) {
      decompose_points<T, 0>(s, plan_, points, generator(item(first)));
      return points.lanes;
    }
    const int64_t size = plan_.block * (plan_.block - 1) / 2;
    for (int64_t a = 0; a < plan_.axes; ++a) {
      const T* from[kLanes<T>] = {};
      for (int lane = 0; lane < points.lanes; ++lane) from[lane] = generator(item(first + lane)).entries[a];
      memory_to_lanes(from, size, entries + a * size);
    }
    decompose_points<T, 0>(s, plan_, points, [&](int64_t a, int64_t e) { return entries[a * size + e]; });
    return points.lanes;
  }

 private:
  const SkewExpPlan<T>& plan_;
  const Rays<T>& rays_;
  int64_t begin_;
  std::vector<Generator<T>> generators_;
};

template <class T>
void forward_large(const SkewExpPlan<T>& plan, int64_t begin, int64_t end) {
  const Sides<T> s(plan.block);
  Scratch scratch(bytes_of(s, plan.axes));
  const Spectral<T> spectral = take_spectral(scratch, s);
  const Squares<T> q = take_squares(scratch, s, spectral, plan.axes);
  const Rays<T> rays = find_rays(plan.positions, plan.tokens, plan.axes, plan.rays);
  const RaysOfItems<T> all(plan, rays, begin, end);
  for (int64_t item = begin; item < end; ++item) write_identity(plan, rays, item, all.generator(item).poison);
  for (int64_t first = 0; first < all.count(); first += kLanes<T>) {
    const int lanes = all.decompose(spectral, first, q.entries);
    unpack(spectral, s, q);
    for (int lane = 0; lane < lanes; ++lane) {
      const int64_t item = all.item(first + lane), ray = all.ray(first + lane);
      for (int64_t i = rays.first[ray]; i < rays.first[ray + 1]; ++i)
        exponential<T>(s, q, {q.w + lane * s.square(), q.theta + lane * q.angles}, rays.points[i].ratio,
                       plan.rotations + offset_of(plan, item, rays.points[i].token));
    }
  }
}

/// gradient[a] += p_a D for the upper triangle of D [n, row].
template <class T>
LIERE_INLINE void add_gradient(const SkewExpPlan<T>& plan, int64_t item, const T* base, const T* d, int64_t row) {
  const int64_t b = plan.block, entries = b * (b - 1) / 2;
  for (int64_t a = 0; a < plan.axes; ++a) {
    T* to = plan.gradient + (a * plan.layers * plan.groups + item) * entries;
    const T p = base[a];
    for (int64_t i = 0; i < b; ++i)
      for (int64_t j = i + 1; j < b; ++j) *to++ += p * d[i * row + j];
  }
}

template <class T>
void backward_large(const SkewExpPlan<T>& plan, int64_t begin, int64_t end) {
  const Sides<T> s(plan.block);
  Scratch scratch(bytes_of(s, plan.axes));
  const Spectral<T> spectral = take_spectral(scratch, s);
  const Squares<T> q = take_squares(scratch, s, spectral, plan.axes);
  const Rays<T> rays = find_rays(plan.positions, plan.tokens, plan.axes, plan.rays);
  const RaysOfItems<T> all(plan, rays, begin, end);
  const int64_t entries = plan.block * (plan.block - 1) / 2;
  for (int64_t item = begin; item < end; ++item) {
    const T poison = poison_at_origin(plan, rays, item, all.generator(item).poison);
    for (int64_t a = 0; a < plan.axes; ++a)
      for (int64_t e = 0; e < entries; ++e) plan.gradient[(a * plan.layers * plan.groups + item) * entries + e] = poison;
  }
  for (int64_t first = 0; first < all.count(); first += kLanes<T>) {
    const int lanes = all.decompose(spectral, first, q.entries);
    unpack(spectral, s, q);
    for (int lane = 0; lane < lanes; ++lane) {
      const int64_t item = all.item(first + lane), ray = all.ray(first + lane);
      const Eigenpairs<T> pairs = {q.w + lane * s.square(), q.theta + lane * q.angles};
      T *const columns = q.first, *const sum = q.second, *const half = q.third, *const d = q.fourth;
      transpose(pairs.w, s.n, s.row, columns);
      memset(sum, 0, static_cast<size_t>(s.square()) * sizeof(T));
      for (int64_t i = rays.first[ray]; i < rays.first[ray + 1]; ++i)
        add_point<T>(s, q, pairs, columns, rays.points[i].ratio, plan.x + offset_of(plan, item, rays.points[i].token), sum);
      // sum holds -S, S skew: (-S)^T W^T = S W^T, then W S W^T.
      product<T, false>(sum, pairs.w, s.n, s.row, s.n, half, s.row);
      product<T, true>(pairs.w, half, s.n, s.row, s.n, d, s.row);
      add_gradient(plan, item, &rays.bases[ray * plan.axes], d, s.row);
    }
  }
}

}  // namespace
}  // namespace liere::LIERE_INSTRUCTION_SET
