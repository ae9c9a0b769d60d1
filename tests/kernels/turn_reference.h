// What the tests of the kernels that turn queries and keys compare with: random rows and rotations, and plain double loops.
//
// Bounds: a product of a row with a rotation's row of norm <= 1 is off by at most 1e-6 (float) or 1e-14 (double) of the row's norm; bfloat16 adds
// half a unit in the last place of the exact value (and 2^-9 of the row's norm where rotations are rounded to bfloat16, too). Gradients: the same
// share of |what was there| + the norms of the two vectors that are multiplied.
#pragma once

#include <cmath>
#include <cstring>
#include <limits>
#include <ostream>
#include <vector>

#include "core/philox.h"
#include "models/kernels/turn_kernels.h"

namespace liere {

inline double wide(float x) { return x; }
inline double wide(double x) { return x; }
inline double wide(Bfloat16Bits x) {
  const uint32_t bits = uint32_t{x.bits} << 16;
  float value;
  memcpy(&value, &bits, sizeof(value));
  return value;
}
template <class T>
T narrow(double x) {
  return static_cast<T>(x);
}
template <>
inline Bfloat16Bits narrow(double x) {
  return dropout_product(Bfloat16Bits{0x3f80}, static_cast<float>(x));
}
template <class T>
constexpr double kShare = 1e-6;
template <>
constexpr double kShare<double> = 1e-14;
/// With AVX512_BF16, rotations of sides that fill vectors are rounded to bfloat16 before they are multiplied with bfloat16.
template <class T>
double share_of_product(bool rounded, int64_t block) {
  return rounded && block > 0 && block % 16 == 0 ? 0x1p-9 + kShare<T> : kShare<T>;
}
template <class T>
bool rounds_rotations(const TurnKernels<T>&) {
  return false;
}
#if defined(__x86_64__) && defined(__GNUC__)
template <>
inline bool rounds_rotations(const TurnKernels<Bfloat16Bits>& kernels) {
  return &kernels == &avx512_bf16::kTurnBfloat16;
}
#endif
inline double rounding(float, double) { return 0; }
inline double rounding(double, double) { return 0; }
inline double rounding(Bfloat16Bits, double exact) { return exact == 0 ? 0 : std::ldexp(1.0, std::ilogb(exact) - 8); }
inline bool same_bits(const void* a, const void* b, size_t bytes) { return bytes == 0 || memcmp(a, b, bytes) == 0; }
template <class T>
bool same(const std::vector<T>& a, const std::vector<T>& b) {
  return a.size() == b.size() && same_bits(a.data(), b.data(), a.size() * sizeof(T));
}

/// Uniform in [-1, 1).
class Draw {
 public:
  double operator()() { return static_cast<double>(philox_block(7, 1, 2, 3, next_++).word[0]) * 0x1p-31 - 1; }
  template <class T>
  std::vector<T> vector(int64_t n, double scale = 1) {
    std::vector<T> v(static_cast<size_t>(n));
    for (auto& x : v) x = narrow<T>(scale * (*this)());
    return v;
  }

 private:
  uint32_t next_ = 0;
};

struct Shape {
  int64_t samples, tokens, heads, own_heads, dim, block;  // block 0: pairs
  int64_t side() const { return block == 0 ? 2 : block; }
  int64_t matrices() const { return (tokens - 1) * own_heads * dim / side(); }
  int64_t rotation_count() const { return (tokens - 1) * own_heads * dim * (block == 0 ? 1 : block); }
  int64_t gradient_count() const { return block == 0 ? matrices() : rotation_count(); }
  HeadStrides fused() const { return {tokens * 3 * heads * dim, dim, 3 * heads * dim}; }  // q or k of [B, T, 3, H, d]
  int64_t fused_count() const { return samples * tokens * 3 * heads * dim; }
  HeadStrides loose() const { return {heads * tokens * (dim + 3) + 7, tokens * (dim + 3), dim + 3}; }  // [B, H, T, d] with gaps
  int64_t loose_count() const { return samples * loose().samples; }
};
inline std::ostream& operator<<(std::ostream& out, const Shape& s) {
  return out << s.samples << " samples, " << s.tokens << " tokens, " << s.heads << " heads (" << s.own_heads << " own), d = " << s.dim
             << ", b = " << s.block;
}
inline int64_t at(const HeadStrides& s, int64_t sample, int64_t head, int64_t token) {
  return sample * s.samples + head * s.heads + token * s.tokens;
}

/// Matrix [side, side] of a token, head and block.
template <class S>
std::vector<double> matrix(const Shape& s, const std::vector<S>& rotations, int64_t patch, int64_t head, int64_t number) {
  const int64_t b = s.side(), index = (patch * s.own_heads + (s.own_heads == 1 ? 0 : head)) * (s.dim / b) + number;
  if (s.block == 0) {
    const double c = rotations[static_cast<size_t>(2 * index)], sine = rotations[static_cast<size_t>(2 * index + 1)];
    return {c, -sine, sine, c};
  }
  return {rotations.begin() + index * b * b, rotations.begin() + (index + 1) * b * b};
}

template <class T>
using ScalarOf = typename RotationScalar<T>::Type;

/// Rows of norm at most 1: entries up to 1 / sqrt(b), or cosine and sine.
template <class S>
std::vector<S> random_rotations(const Shape& s, Draw& draw) {
  auto r = draw.vector<S>(s.rotation_count(), 1 / std::sqrt(static_cast<double>(s.side())));
  if (s.block == 0)
    for (size_t i = 0; i < r.size(); i += 2) {
      const double angle = 4 * draw();
      r[i] = static_cast<S>(std::cos(angle));
      r[i + 1] = static_cast<S>(std::sin(angle));
    }
  return r;
}

/// The largest error over its bound, of `got` against R x or R^T x; the memory between the rows and (out of place) CLS are compared, too.
template <class T>
double worst(const Shape& s, const std::vector<ScalarOf<T>>& rotations, bool backward, const std::vector<T>& in, HeadStrides in_strides,
             const std::vector<T>& before, const std::vector<T>& got, HeadStrides out_strides, const int64_t (&in_part)[2],
             const int64_t (&out_part)[2], double share) {
  const int64_t b = s.side();
  std::vector<T> expected_elsewhere = before;
  double error = 0;
  for (int part = 0; part < 2; ++part)
    for (int64_t sample = 0; sample < s.samples; ++sample)
      for (int64_t head = 0; head < s.heads; ++head)
        for (int64_t token = 0; token < s.tokens; ++token) {
          const T* x = in.data() + in_part[part] + at(in_strides, sample, head, token);
          const int64_t place = out_part[part] + at(out_strides, sample, head, token);
          const T* y = got.data() + place;
          T* const elsewhere = expected_elsewhere.data() + place;
          memcpy(elsewhere, token == 0 ? x : y, static_cast<size_t>(s.dim) * sizeof(T));
          if (token == 0) continue;
          for (int64_t number = 0; number < s.dim / b; ++number) {
            const auto r = matrix(s, rotations, token - 1, head, number);
            double norm = 0;
            for (int64_t j = 0; j < b; ++j) norm += wide(x[number * b + j]) * wide(x[number * b + j]);
            for (int64_t i = 0; i < b; ++i) {
              double exact = 0;
              for (int64_t j = 0; j < b; ++j) exact += r[static_cast<size_t>(backward ? j * b + i : i * b + j)] * wide(x[number * b + j]);
              const double bound = share * std::sqrt(norm) * (backward ? std::sqrt(b) : 1) + rounding(y[0], exact);
              error = std::max(error, std::abs(wide(y[number * b + i]) - exact) / bound);
            }
          }
        }
  return same(expected_elsewhere, got) ? error : std::numeric_limits<double>::infinity();
}

/// The largest error over its bound of a gradient against its definition, added to `before`.
template <class T>
double worst_gradient(const Shape& s, const std::vector<T>& d, const std::vector<T>& turned, const std::vector<ScalarOf<T>>& before,
                      const std::vector<ScalarOf<T>>& got) {
  const int64_t b = s.side();
  std::vector<double> exact(before.begin(), before.end()), d_norm(exact.size()), x_norm(exact.size());
  const auto add = [&](int64_t index, double dx, double x, double sign) {
    exact[static_cast<size_t>(index)] += sign * dx * x;
    d_norm[static_cast<size_t>(index)] += dx * dx;
    x_norm[static_cast<size_t>(index)] += x * x;
  };
  for (int64_t part = 0; part < 2; ++part)
    for (int64_t sample = 0; sample < s.samples; ++sample)
      for (int64_t head = 0; head < s.heads; ++head)
        for (int64_t token = 1; token < s.tokens; ++token)
          for (int64_t number = 0; number < s.dim / b; ++number) {
            const int64_t row = part * s.heads * s.dim + at(s.fused(), sample, head, token) + number * b;
            const int64_t index = ((token - 1) * s.own_heads + (s.own_heads == 1 ? 0 : head)) * (s.dim / b) + number;
            const auto dx = [&](int64_t i) { return wide(d[static_cast<size_t>(row + i)]); };
            const auto x = [&](int64_t i) { return wide(turned[static_cast<size_t>(row + i)]); };
            if (s.block == 0) {
              add(index, dx(1), x(0), 1);
              add(index, dx(0), x(1), -1);
            } else {
              for (int64_t i = 0; i < b; ++i)
                for (int64_t j = 0; j < b; ++j) add((index * b + i) * b + j, dx(i), x(j), 1);
            }
          }
  double error = 0;
  for (size_t i = 0; i < exact.size(); ++i) {
    const double bound = kShare<T> * (std::abs(before[i]) + std::sqrt(d_norm[i] * x_norm[i]));
    error = std::max(error, std::abs(got[i] - exact[i]) / bound);
  }
  return error;
}

template <class T>
TurnPlan<T> plan_of(const Shape& s, const std::vector<ScalarOf<T>>& rotations, const std::vector<T>& in, std::vector<T>& out, bool loose = false) {
  const int64_t in_k = s.heads * s.dim, out_k = loose ? s.loose_count() : in_k;
  return {s.samples,
          s.tokens,
          s.heads,
          s.own_heads,
          s.dim,
          s.block,
          rotations.data(),
          {in.data(), in.data() + in_k, s.fused()},
          {out.data(), out.data() + out_k, loose ? s.loose() : s.fused()}};
}

}  // namespace liere
