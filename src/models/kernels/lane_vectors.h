// Vectors of one instruction set for kernels that are compiled once for each: the including file defines LIERE_INSTRUCTION_SET (namespace) and
// LIERE_VECTOR_BYTES (64, 32 or 16). Vectors are GCC's extension; everything has internal linkage, so that no code of one set stands in for
// another's.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <type_traits>
#ifdef __AVX2__
#include <immintrin.h>
#endif

namespace liere::LIERE_INSTRUCTION_SET {
namespace {

#define LIERE_INLINE [[gnu::always_inline]] static inline

template <class T, int kWidth>
struct VectorOf {
  typedef T Type __attribute__((vector_size(kWidth * sizeof(T))));
};
template <class T>
constexpr int kLanes = LIERE_VECTOR_BYTES / sizeof(T);
/// One value of each of kLanes<T> matrices, or kLanes<T> neighbours in a row of one matrix.
template <class T>
using Vec = typename VectorOf<T, kLanes<T>>::Type;
template <class T>
using IntVec = typename VectorOf<std::conditional_t<sizeof(T) == 4, int32_t, int64_t>, kLanes<T>>::Type;

template <class V, class T>
LIERE_INLINE V load_as(const T* p) {
  V v;
  memcpy(&v, p, sizeof(v));
  return v;
}
template <class T>
LIERE_INLINE Vec<T> load(const T* p) {
  return load_as<Vec<T>>(p);
}
template <class T, class V>
LIERE_INLINE void store(T* p, V v) {
  memcpy(p, &v, sizeof(v));
}

/// The sign bits of a vector's lanes, alone or all others, by the bit pattern: cheaper than comparing and choosing.
template <class V>
LIERE_INLINE V sign_of(V x) {
  using I = decltype(x != x);  // integers of the same shape
  using Bits = std::conditional_t<sizeof(x[0]) == 4, int32_t, int64_t>;
  return (V)((I)x & (I{} + std::numeric_limits<Bits>::min()));
}
template <class V>
LIERE_INLINE V magnitude(V x) {
  using I = decltype(x != x);
  return (V)((I)x ^ (I)sign_of(x));
}
/// |x| with the sign of y.
template <class V>
LIERE_INLINE V with_sign(V x, V y) {
  using I = decltype(x != x);
  return (V)((I)magnitude(x) | (I)sign_of(y));
}

template <class T>
LIERE_INLINE Vec<T> square_root(Vec<T> x) {
#if defined(__AVX512F__)
  if constexpr (sizeof(T) == 4)
    return _mm512_sqrt_ps(x);
  else
    return _mm512_sqrt_pd(x);
#elif defined(__AVX2__)
  if constexpr (sizeof(T) == 4)
    return _mm256_sqrt_ps(x);
  else
    return _mm256_sqrt_pd(x);
#else
  for (int i = 0; i < kLanes<T>; ++i) x[i] = std::sqrt(x[i]);
  return x;
#endif
}

/// 1 / sqrt(x) of normal numbers, to 1.5 ulp.
template <class T>
LIERE_INLINE Vec<T> inverse_square_root(Vec<T> x) {
#if defined(__AVX512F__)
  if constexpr (sizeof(T) == 4) {
    const Vec<T> y = _mm512_rsqrt14_ps(x), rest = 1 - x * y * y;  // one Newton step of 14 bits
    return y + y * rest * T(0.5);
  }
#endif
  return 1 / square_root<T>(x);
}

/// Rows of a square of kLanes<T> vectors become columns.
template <class T>
LIERE_INLINE void transpose_square(Vec<T> (&rows)[kLanes<T>]) {
  constexpr int kN = kLanes<T>;
#pragma GCC unroll 8
  for (int m = kN / 2; m > 0; m /= 2) {
    IntVec<T> first, second;
    for (int i = 0; i < kN; ++i) {
      first[i] = i & m ? kN + i - m : i;
      second[i] = i & m ? kN + i : i + m;
    }
#pragma GCC unroll 16
    for (int i = 0; i < kN; ++i) {
      if (i & m) continue;
      const Vec<T> a = rows[i], b = rows[i + m];
      rows[i] = __builtin_shuffle(a, b, first);
      rows[i + m] = __builtin_shuffle(a, b, second);
    }
  }
}

template <class T>
LIERE_INLINE T sum_of_lanes(Vec<T> v) {
  T lane[kLanes<T>];
  memcpy(lane, &v, sizeof(v));
  for (int width = kLanes<T> / 2; width > 0; width /= 2)
    for (int i = 0; i < width; ++i) lane[i] += lane[i + width];
  return lane[0];
}

}  // namespace
}  // namespace liere::LIERE_INSTRUCTION_SET
