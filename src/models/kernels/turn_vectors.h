// Vectors for the kernels that turn queries and keys: included by turn_kernels_body.h inside the namespace of one instruction set. Vectors are GCC's
// extension, LIERE_LANES floats or half as many doubles; bfloat16 becomes float when loaded and is rounded to nearest even when stored.

template <class S>
struct Lanes;
template <>
struct Lanes<float> {
  typedef float Vector __attribute__((vector_size(4 * LIERE_LANES)));
  static constexpr int kCount = LIERE_LANES;
};
template <>
struct Lanes<double> {
  typedef double Vector __attribute__((vector_size(4 * LIERE_LANES)));
  static constexpr int kCount = LIERE_LANES / 2;
};
typedef uint32_t Words __attribute__((vector_size(4 * LIERE_LANES)));
typedef uint16_t Halves __attribute__((vector_size(2 * LIERE_LANES)));
using Floats = Lanes<float>::Vector;
using Doubles = Lanes<double>::Vector;
#define LIERE_INLINE [[gnu::always_inline]] static inline

template <class To, class From>
LIERE_INLINE To bits_as(From from) {
  static_assert(sizeof(To) == sizeof(From));
  To to;
  memcpy(&to, &from, sizeof(to));
  return to;
}

LIERE_INLINE Floats load(const float* p) {
  Floats v;
  memcpy(&v, p, sizeof(v));
  return v;
}
LIERE_INLINE Doubles load(const double* p) {
  Doubles v;
  memcpy(&v, p, sizeof(v));
  return v;
}
LIERE_INLINE Floats load(const Bfloat16Bits* p) {
  Halves half;
  memcpy(&half, p, sizeof(half));
  return bits_as<Floats>(__builtin_convertvector(half, Words) << 16);
}
LIERE_INLINE void store(float* p, Floats v) { memcpy(p, &v, sizeof(v)); }
LIERE_INLINE void store(double* p, Doubles v) { memcpy(p, &v, sizeof(v)); }
/// To nearest, ties to even; NaN stays NaN.
LIERE_INLINE void store(Bfloat16Bits* p, Floats v) {
  const Words wide = bits_as<Words>(v);
  const Words rounded = (wide + 0x7fffu + ((wide >> 16) & 1u)) >> 16;
  const Words safe = v == v ? rounded : Words{} + 0x7fc0u;
  const Halves half = __builtin_convertvector(safe, Halves);
  memcpy(p, &half, sizeof(half));
}

/// The first n < lanes elements; the other lanes are zero.
template <class T>
LIERE_INLINE auto load_part(const T* p, int64_t n) {
  constexpr int kCount = Lanes<typename RotationScalar<T>::Type>::kCount;
  T whole[kCount] = {};
  memcpy(whole, p, (static_cast<size_t>(n) % kCount) * sizeof(T));
  return load(whole);
}
template <class T, class V>
LIERE_INLINE void store_part(T* p, V v, int64_t n) {
  constexpr int kCount = Lanes<typename RotationScalar<T>::Type>::kCount;
  T whole[kCount];
  store(whole, v);
  memcpy(p, whole, (static_cast<size_t>(n) % kCount) * sizeof(T));
}

template <class T>
LIERE_INLINE void prefetch(const T* p, int64_t elements) {
  const auto* const bytes = reinterpret_cast<const char*>(p);
  for (int64_t i = 0; i < elements * static_cast<int64_t>(sizeof(T)); i += 64) __builtin_prefetch(bytes + i);
}

/// Rows of one token and head: the q and k of a run of samples.
template <class T>
struct Rows {
  const T* in[2];      // q, k of the first sample
  const T* turned[2];  // null where no gradient is wanted
  T* out[2];
  int64_t in_step, turned_step, out_step;  // from sample to sample
  int64_t samples;
  // The rows that come next, to be fetched meanwhile.
  const T* next_in[2];
  const T* next_turned[2];
};
