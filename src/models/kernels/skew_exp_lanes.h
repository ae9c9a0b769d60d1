// What both forms of the exponential share: scratch of one call, a vector of matrices formed from generators and points, and the passage between
// lanes (kLanes matrices, one in each lane) and memory (one matrix after the other).
#pragma once

#include <new>

#include "models/kernels/rays.h"
#include "models/kernels/skew_exp.h"
#include "models/kernels/skew_spectral.h"

namespace liere::LIERE_INSTRUCTION_SET {
namespace {

/// Memory of one call, handed out in order.
class Scratch {
 public:
  explicit Scratch(size_t bytes) : begin_(static_cast<char*>(::operator new(bytes, std::align_val_t(64)))), next_(begin_) {}
  ~Scratch() { ::operator delete(begin_, std::align_val_t(64)); }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  template <class V>
  V* take(int64_t count) {
    V* const at = reinterpret_cast<V*>(next_);
    next_ += (static_cast<size_t>(count) * sizeof(V) + 63) / 64 * 64;
    return at;
  }

 private:
  char *begin_, *next_;
};

constexpr int64_t round_up(int64_t x, int64_t step) { return (x + step - 1) / step * step; }

/// Sides of the padded matrices: n even; up to 8 in lanes, beyond that also row-major with rows of `row` entries.
template <class T>
struct Sides {
  int64_t b, n, h, row, stride;
  explicit Sides(int64_t block)
      : b(block), n(block <= 8 ? round_up(block, 2) : round_up(block, 8)), h(n / 2), row(round_up(n, kLanes<T>)), stride(n <= 8 ? n + 1 : row + 1) {}
  int64_t square() const { return n * row; }
  size_t spectral_bytes() const { return sizeof(Vec<T>) * static_cast<size_t>(2 * n * stride + h + 4 * n + kSweepsAtOnce * h * 4) + 64 * 8; }
};

template <class T>
Spectral<T> take_spectral(Scratch& scratch, const Sides<T>& s) {
  using V = Vec<T>;
  Spectral<T> out{s.n, s.stride};
  out.m = scratch.take<V>(s.n * s.stride);
  out.w = scratch.take<V>(s.n * s.stride);
  out.theta = scratch.take<V>(s.h);
  out.tau = scratch.take<V>(s.n);
  out.v = scratch.take<V>(2 * s.n);
  out.off = scratch.take<V>(s.n);
  out.rotations = scratch.take<V>(kSweepsAtOnce * s.h * 4);
  return out;
}

/// One generator: its entries per axis, the largest of them, and a zero that is NaN where an entry is not finite.
template <class T>
struct Generator {
  const T* entries[3];
  T largest[3];
  T poison;
};

template <class T>
Generator<T> generator_of(const SkewExpPlan<T>& plan, int64_t item) {
  const int64_t entries = plan.block * (plan.block - 1) / 2;
  Generator<T> g{};
  for (int64_t a = 0; a < plan.axes; ++a) {
    const T* const from = g.entries[a] = plan.generators + (a * plan.layers * plan.groups + item) * entries;
    T largest = 0, zero = 0;
    for (int64_t e = 0; e < entries; ++e) {
      const T size = from[e] < 0 ? -from[e] : from[e];
      largest = size > largest ? size : largest;
      zero += from[e] * 0;
    }
    g.largest[a] = largest;
    g.poison += zero;
  }
  return g;
}

/// R's or X''s place of a token.
template <class T>
int64_t offset_of(const SkewExpPlan<T>& plan, int64_t item, int64_t token) {
  const int64_t layer = item / plan.groups, group = item % plan.groups;
  return ((layer * plan.tokens + token) * plan.groups + group) * plan.block * plan.block;
}

/// Points side by side: p, a bound of the entries of M_p, and a zero that is NaN for a generator that is not finite. Lanes without a point hold p =
/// 0.
template <class T>
struct Points {
  Vec<T> p[3], bound, poison;
  int lanes;
  void set(int lane, const T* point, int64_t axes, const Generator<T>& g) {
    bound[lane] = 0;
    poison[lane] = g.poison;
    for (int64_t a = 0; a < axes; ++a) {
      p[a][lane] = point[a];
      bound[lane] += (point[a] < 0 ? -point[a] : point[a]) * g.largest[a];
    }
  }
};

/// Base points of rays [first, first + lanes) of one generator.
template <class T>
Points<T> points_of(const Rays<T>& rays, int64_t first, int64_t axes, const Generator<T>& g) {
  Points<T> out{};
  out.lanes = static_cast<int>(rays.count() - first < kLanes<T> ? rays.count() - first : kLanes<T>);
  for (int lane = 0; lane < out.lanes; ++lane) out.set(lane, &rays.bases[(first + lane) * axes], axes, g);
  return out;
}

/// theta_k = u^T M v once more, from M itself (lower triangle, packed row by row): for small sides, where the reflections' share of the error counts.
template <class T>
LIERE_INLINE void refine_angles(const Spectral<T>& s, const Vec<T>* packed) {
  using V = Vec<T>;
  for (int64_t k = 0; k < s.n / 2; ++k) {
    const V *const u = s.w + k * s.stride, *const v = s.w + (s.n / 2 + k) * s.stride, *m = packed;
    V u_excess = V{} - 1, v_excess = V{} - 1, quotient{};  // |u|^2 - 1: rounded less than |u|^2
    for (int64_t i = 0; i < s.n; ++i) {
      u_excess += u[i] * u[i];
      v_excess += v[i] * v[i];
      V row{};
      for (int64_t j = 0; j < i; ++j) row += *m++ * (u[i] * v[j] - u[j] * v[i]);
      quotient += row;
    }
    const V angle = quotient - quotient * ((u_excess + v_excess) * T(0.5));
    s.theta[k] = s.theta[k] == s.theta[k] ? angle : s.theta[k];
  }
}

/// The strict lower triangle of M = sum_a p_a A_a; entry(a, e): entry e of the lanes' generators.
template <class T, class Entry>
LIERE_INLINE void form(const Spectral<T>& s, int64_t b, int64_t axes, const Vec<T>* p, const Entry& entry) {
  using V = Vec<T>;
  for (int64_t r = 0; r < s.n; ++r)
    for (int64_t c = 0; c < r; ++c) {
      const int64_t e = c * (2 * b - c - 1) / 2 + r - c - 1;
      V value{};
      if (r < b) {
        value = p[0] * entry(0, e);
        for (int64_t a = 1; a < axes; ++a) value += p[a] * entry(a, e);
      }
      s.m[r * s.stride + c] = -value;
    }
}

/// Forms M, scaled by a power of two to entries of order 1, decomposes it and scales theta back.
template <class T, int kSide, class Entry>
LIERE_INLINE void decompose_points(const Spectral<T>& s, const SkewExpPlan<T>& plan, const Points<T>& points, const Entry& entry) {
  using V = Vec<T>;
  using Bits = std::conditional_t<sizeof(T) == 4, int32_t, int64_t>;
  constexpr T kSmall = sizeof(T) == 4 ? T(1e-30) : T(1e-290), kLarge = sizeof(T) == 4 ? T(1e30) : T(1e290);
  constexpr int64_t kSmallSide = 16;
  IntVec<T> bits;
  memcpy(&bits, &points.bound, sizeof(bits));
  bits &= IntVec<T>{} + static_cast<Bits>(sizeof(T) == 4 ? 0x7f800000 : 0x7ff0000000000000);
  V power, p[3], packed[kSmallSide * (kSmallSide - 1) / 2];
  memcpy(&power, &bits, sizeof(bits));
  power = points.bound < kSmall ? V{} + 1 : power;
  const V scale = points.bound < kLarge ? 1 / power + points.poison : V{} + T(NAN);
  for (int64_t a = 0; a < plan.axes; ++a) p[a] = points.p[a] * scale;
  form(s, plan.block, plan.axes, p, entry);
  if (s.n <= kSmallSide) {
    V* to = packed;
    for (int64_t r = 0; r < s.n; ++r)
      for (int64_t c = 0; c < r; ++c) *to++ = s.m[r * s.stride + c];
  }
  decompose<T, kSide>(s);
  if (s.n <= kSmallSide && s.n > 2) refine_angles<T>(s, packed);
  for (int64_t k = 0; k < s.n / 2; ++k) s.theta[k] *= power + points.poison;
}

template <class T, int kSide>
LIERE_INLINE void decompose_points(const Spectral<T>& s, const SkewExpPlan<T>& plan, const Points<T>& points, const Generator<T>& g) {
  decompose_points<T, kSide>(s, plan, points, [&](int64_t a, int64_t e) { return Vec<T>{} + g.entries[a][e]; });
}

template <class T>
LIERE_INLINE void copy_some(T* to, const T* from, int64_t count) {
  memcpy(to, from, static_cast<size_t>(count) * sizeof(T));
}

/// Entries [0, count) of every matrix in lanes -> to[lane] (null: dropped).
template <class T>
LIERE_INLINE void lanes_to_memory(const Vec<T>* from, int64_t count, T* const* to) {
  constexpr int kL = kLanes<T>;
  for (int64_t e = 0; e < count; e += kL) {
    Vec<T> square[kL];
    const int some = static_cast<int>(count - e < kL ? count - e : kL);
#pragma GCC unroll 16
    for (int i = 0; i < kL; ++i) square[i] = i < some ? from[e + i] : Vec<T>{};
    transpose_square<T>(square);
#pragma GCC unroll 16
    for (int lane = 0; lane < kL; ++lane) {
      if (!to[lane]) continue;
      if (some == kL)
        store(to[lane] + e, square[lane]);
      else
        memcpy(to[lane] + e, &square[lane], static_cast<size_t>(some) * sizeof(T));
    }
  }
}

/// The way back; null: zeros.
template <class T>
LIERE_INLINE void memory_to_lanes(const T* const* from, int64_t count, Vec<T>* to) {
  constexpr int kL = kLanes<T>;
  for (int64_t e = 0; e < count; e += kL) {
    Vec<T> square[kL];
    const int some = static_cast<int>(count - e < kL ? count - e : kL);
#pragma GCC unroll 16
    for (int lane = 0; lane < kL; ++lane) {
      square[lane] = Vec<T>{};
      if (!from[lane]) continue;
      if (some == kL)
        square[lane] = load(from[lane] + e);
      else
        memcpy(&square[lane], from[lane] + e, static_cast<size_t>(some) * sizeof(T));
    }
    transpose_square<T>(square);
#pragma GCC unroll 16
    for (int i = 0; i < kL; ++i)
      if (i < some) to[e + i] = square[i];
  }
}

/// R = I at p = 0 (NaN for a generator that is not finite: 0 * inf).
template <class T>
void write_identity(const SkewExpPlan<T>& plan, const Rays<T>& rays, int64_t item, T poison) {
  const int64_t b = plan.block;
  for (const int64_t token : rays.origin) {
    T* const r = plan.rotations + offset_of(plan, item, token);
    for (int64_t i = 0; i < b; ++i)
      for (int64_t j = 0; j < b; ++j) r[i * b + j] = T(i == j) + poison;
  }
}

/// What points at p = 0 add to a gradient: nothing, or NaN where their X' or their generator is not finite.
template <class T>
T poison_at_origin(const SkewExpPlan<T>& plan, const Rays<T>& rays, int64_t item, T poison) {
  const int64_t squares = plan.block * plan.block;
  for (const int64_t token : rays.origin) {
    const T* const x = plan.x + offset_of(plan, item, token);
    for (int64_t e = 0; e < squares; ++e) poison += x[e] * 0;
  }
  return poison;
}

}  // namespace
}  // namespace liere::LIERE_INSTRUCTION_SET
