// Pairs and blocks of side 2, 4 and 8: included by turn_kernels_body.h inside the namespace of one instruction set. Every lane of a vector holds one
// channel:
//
//   y_i = sum_t C_t[i] x_s(t, i)         forward C_t[i] = R[i][s],  backward C_t[i] = R[s][i];  s = i xor t for b = 2 and pairs, else t
//   A_t[i] += dx'_s(t, i) x'_i           A_t[i] = X'[s][i]: the permuted dx' serves both sums
//
// C_t and A_t of a vector stay in registers over the rows of a run of samples; in between they are kept lane by lane, [d / lanes][b][lanes], d filled
// up with zeros.

/// x_s(t, i) within groups of B lanes.
template <int B, int t, class V, int... lane>
LIERE_INLINE V spread_lanes(V x, std::integer_sequence<int, lane...>) {
  return __builtin_shufflevector(x, x, (B == 2 ? lane ^ t : lane / B * B + t)...);
}
template <int B, int t, class V>
LIERE_INLINE V spread(V x) {
  if constexpr (B == 2 && t == 0) return x;
  return spread_lanes<B, t>(x, std::make_integer_sequence<int, static_cast<int>(sizeof(V) / sizeof(x[0]))>());
}

template <class T, int B, bool kPairs, bool kGradient>
struct SmallBlocks {
  using Scalar = typename RotationScalar<T>::Type;
  using V = typename Lanes<Scalar>::Vector;
  static constexpr int64_t kLanes = Lanes<Scalar>::kCount, kSamples = 4;

  static constexpr int64_t source(int64_t t, int64_t i) { return B == 2 ? i ^ t : t; }
  static int64_t slot_size(int64_t dim) { return (dim + kLanes - 1) / kLanes * kLanes * B; }
  static Scalar entry(const Scalar* rotation, int64_t block, int64_t i, int64_t j) {
    if constexpr (kPairs) return i == j ? rotation[2 * block] : i < j ? -rotation[2 * block + 1] : rotation[2 * block + 1];
    return rotation[(block * B + i) * B + j];
  }

  /// Rotations of one token and head -> C.
  static void pack(const Scalar* rotation, int64_t dim, bool backward, Scalar* packed) {
    for (int64_t first = 0; first < dim; first += kLanes)
      for (int64_t t = 0; t < B; ++t) {
        Scalar* const out = packed + first * B + t * kLanes;
        for (int64_t lane = 0; lane < kLanes; ++lane) {
          const int64_t i = lane % B, s = source(t, i), block = (first + lane) / B;
          out[lane] = first + lane >= dim ? Scalar{} : backward ? entry(rotation, block, s, i) : entry(rotation, block, i, s);
        }
      }
  }

  /// A -> X' (blocks) or dL/dangle (pairs) of one token and head, added.
  static void add(const Scalar* sums, int64_t dim, Scalar* gradient) {
    for (int64_t first = 0; first < dim; first += kLanes)
      for (int64_t t = kPairs; t < B; ++t) {
        const Scalar* const in = sums + first * B + t * kLanes;
        for (int64_t lane = 0; lane < kLanes && first + lane < dim; ++lane) {
          const int64_t i = lane % B, block = (first + lane) / B;
          if constexpr (kPairs) {
            gradient[block] += i == 0 ? in[lane] : -in[lane];
          } else {
            gradient[(block * B + source(t, i)) * B + i] += in[lane];
          }
        }
      }
  }

  /// One vector of one row.
  template <bool kPart>
  LIERE_INLINE void row(const T* in, const T* turned, T* out, const V* c, V* a, int64_t n) {
    V x, y = {}, other = {};
    if constexpr (kPart) {
      load_part(in, n, x);
      if constexpr (kGradient) load_part(turned, n, other);
    } else {
      x = load(in);
      if constexpr (kGradient) other = load(turned);
    }
    [&]<int... t>(std::integer_sequence<int, t...>) __attribute__((always_inline)) {
      (([&]() __attribute__((always_inline)) {
         const V s = spread<B, t>(x);
         y = t == 0 ? c[t] * s : y + c[t] * s;
         if constexpr (kGradient && t >= static_cast<int>(kPairs)) a[t] += s * other;
       }()),
       ...);
    }
    (std::make_integer_sequence<int, B>());
    if constexpr (kPart) {
      store_part(out, y, n);
    } else {
      store(out, y);
    }
  }

  /// One vector of all rows.
  template <bool kPart>
  LIERE_INLINE void column(const Rows<T>& r, int64_t first, const Scalar* packed, Scalar* sums, int64_t n) {
    V c[B], a[B];
    for (int t = 0; t < B; ++t) {
      c[t] = load(packed + first * B + t * kLanes);
      if constexpr (kGradient) a[t] = load(sums + first * B + t * kLanes);
    }
    const bool new_line = first * static_cast<int64_t>(sizeof(T)) % 64 == 0;
    for (int64_t sample = 0; sample < r.samples; ++sample) {
#pragma GCC unroll 2
      for (int part = 0; part < 2; ++part) {
        const int64_t in = sample * r.in_step + first, turned = sample * r.turned_step + first;
        if (new_line) {
          __builtin_prefetch(r.next_in[part] + in);
          if constexpr (kGradient) __builtin_prefetch(r.next_turned[part] + turned);
        }
        row<kPart>(r.in[part] + in, kGradient ? r.turned[part] + turned : nullptr, r.out[part] + sample * r.out_step + first, c, a, n);
      }
    }
    if constexpr (kGradient)
      for (int t = 0; t < B; ++t) store(sums + first * B + t * kLanes, a[t]);
  }

  static void turn(const Rows<T>& r, int64_t dim, const Scalar* packed, Scalar* sums) {
    int64_t first = 0;
    for (; first + kLanes <= dim; first += kLanes) column<false>(r, first, packed, sums, kLanes);
    if (first < dim) column<true>(r, first, packed, sums, dim - first);
  }
};
