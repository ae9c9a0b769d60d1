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
/// To nearest, ties to even; NaN stays NaN. AVX512_BF16 makes zeros of values below 2^-126.
LIERE_INLINE void store(Bfloat16Bits* p, Floats v) {
#ifdef __AVX512BF16__
  const auto half = _mm512_cvtneps_pbh(bits_as<__m512>(v));
#else
  const Words wide = bits_as<Words>(v);
  const Words rounded = (wide + 0x7fffu + ((wide >> 16) & 1u)) >> 16;
  const Words safe = v == v ? rounded : Words{} + 0x7fc0u;
  const Halves half = __builtin_convertvector(safe, Halves);
#endif
  memcpy(p, &half, sizeof(half));
}

/// The first n < lanes elements; the other lanes are zero.
template <class T, class V>
[[gnu::noinline]] void load_part(const T* p, int64_t n, V& v) {
  T whole[sizeof(V) / sizeof(v[0])] = {};
  for (int64_t i = 0; i < n; ++i) whole[i] = p[i];
  v = load(whole);
}
template <class T, class V>
[[gnu::noinline]] void store_part(T* p, const V& v, int64_t n) {
  T whole[sizeof(V) / sizeof(v[0])];
  store(whole, v);
  for (int64_t i = 0; i < n; ++i) p[i] = whole[i];
}

/// One step of transposing: exchanges the off-diagonal quarters of every 2 D x 2 D part; low: row i, high: row i + D.
template <int D, class V, int... lane>
LIERE_INLINE void exchange(V& low, V& high, std::integer_sequence<int, lane...>) {
  constexpr int kCount = sizeof...(lane);
  const V a = low, b = high;
  low = __builtin_shufflevector(a, b, (lane & D ? kCount + lane - D : lane)...);
  high = __builtin_shufflevector(a, b, (lane & D ? kCount + lane : lane + D)...);
}
template <int D, class V>
LIERE_INLINE void exchange_all(V* rows) {
  constexpr int kCount = sizeof(V) / sizeof(rows[0][0]);
  if constexpr (D < kCount) {
#pragma GCC unroll 16
    for (int i = 0; i < kCount; ++i)
      if ((i & D) == 0) exchange<D>(rows[i], rows[i + D], std::make_integer_sequence<int, kCount>());
    exchange_all<2 * D>(rows);
  }
}
/// out[k][i] = in[i][k], lanes x lanes.
template <class S>
LIERE_INLINE void transpose_square(const S* in, int64_t in_step, S* out, int64_t out_step) {
  constexpr int kCount = Lanes<S>::kCount;
  typename Lanes<S>::Vector rows[kCount];
#pragma GCC unroll 16
  for (int i = 0; i < kCount; ++i) rows[i] = load(in + i * in_step);
  exchange_all<1>(rows);
#pragma GCC unroll 16
  for (int i = 0; i < kCount; ++i) store(out + i * out_step, rows[i]);
}

/// Zeroed memory of 64-byte alignment; lives as long as the thread's call.
template <class S>
class Scratch {
 public:
  explicit Scratch(int64_t count) {
    const size_t bytes = (static_cast<size_t>(count) * sizeof(S) / 64 + 1) * 64;
    base_ = static_cast<S*>(std::aligned_alloc(64, bytes));
    if (!base_) std::abort();
    memset(base_, 0, bytes);
  }
  ~Scratch() { std::free(base_); }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  S* get() const { return base_; }

 private:
  S* base_;
};

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
