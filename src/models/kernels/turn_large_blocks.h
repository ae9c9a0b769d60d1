// Blocks of any other side: included by turn_kernels_body.h inside the namespace of one instruction set. Rows of a run of samples are first copied
// side by side (their distance in memory is a sample, which maps many of them to the same lines of the first-level cache), then multiplied in tiles
// of registers:
//
//   y[m][i] = sum_k x[m][k] C[k][i]       C = R^T forward (packed), R backward;  kRows rows times up to kPanel vectors of columns
//   X'[i][j] += sum_m dx'[m][i] x'[m][j]  a second product of the same rows, added straight to the gradient
//
// Columns of C are filled up to whole vectors; lanes beyond a block are computed and not stored. Where the processor multiplies pairs of bfloat16
// (LIERE_BFLOAT16_ONLY), rows stay bfloat16: pairs of channels for y, and the q and k of a sample for X', whose terms are exact as they are in float.

template <class T, bool kGradient>
struct LargeBlocks {
  using Scalar = typename RotationScalar<T>::Type;
  using V = typename Lanes<Scalar>::Vector;
  static constexpr int64_t kLanes = Lanes<Scalar>::kCount, kPanel = LIERE_LANES == 16 ? 4 : 2;
  static constexpr int64_t kSamples = 12;
  static constexpr int64_t kSums = LIERE_LANES == 16 ? 16 : 8;  // vectors of X' in registers at a time
  /// Rows of a tile that is N vectors wide: with the vectors of C they fill the registers.
  static constexpr int64_t rows_of(int64_t n) { return LIERE_LANES == 16 ? (n == 1 ? 12 : n == 2 ? 8 : 6) : n == 1 ? 8 : 6; }

#ifdef LIERE_BFLOAT16_ONLY
  /// Products with C by VDPBF16PS (two bfloat16 of k at a time, added in float), C rounded to bfloat16: twice the rate. Elsewhere C stays float.
  static bool by_pairs(int64_t block) { return block % kLanes == 0; }
#else
  static constexpr bool by_pairs(int64_t) { return false; }
#endif

  static int64_t padded(int64_t n) { return (n + kLanes - 1) / kLanes * kLanes; }
  static int64_t row_size(int64_t dim) { return padded(dim) + kLanes * kPanel + kSums; }  // what a product may read beyond a row's end
  static int64_t slot_size(int64_t dim, int64_t block) { return dim * padded(block); }
  static int64_t rows_size(int64_t dim) { return (kGradient ? 3 : 1) * 2 * (kSamples + 6) * row_size(dim); }

  /// Whether a head's rotations fill the first-level cache.
  static bool by_head(int64_t block) { return block >= 32; }
  /// Backward, rotations of whole vectors are C as they are.
  static bool is_packed(int64_t block, bool backward) { return !backward || padded(block) != block || by_pairs(block); }
  /// Rotations of one token and head -> C [K][b][b filled up].
  static void pack(const Scalar* rotation, int64_t dim, int64_t block, bool backward, Scalar* packed) {
    const int64_t width = padded(block);
    for (int64_t number = 0; number < dim / block; ++number) {
      const Scalar* const in = rotation + number * block * block;
      Scalar* const out = packed + number * block * width;
      if (backward)
        for (int64_t k = 0; k < block; ++k) memcpy(out + k * width, in + k * block, static_cast<size_t>(block) * sizeof(Scalar));
      else
        transpose(in, block, width, out);
      if (by_pairs(block)) pack_pairs(block, width, out);
    }
  }
#ifdef LIERE_BFLOAT16_ONLY
  /// Rows k and k + 1 of C -> row k / 2 of pairs, in place.
  static void pack_pairs(int64_t block, int64_t width, Scalar* c) {
    const auto half = [](const Scalar* from) { return _mm512_cvtepu16_epi32(bits_as<__m256i>(_mm512_cvtneps_pbh(_mm512_loadu_ps(from)))); };
    for (int64_t k = 0; k < block; k += 2)
      for (int64_t i = 0; i < width; i += kLanes) {
        const __m512i low = half(c + k * width + i), high = half(c + (k + 1) * width + i);
        _mm512_storeu_si512(c + k / 2 * width + i, _mm512_or_si512(low, _mm512_slli_epi32(high, 16)));
      }
  }
  LIERE_INLINE V multiply_add(V sum, V a, V c, std::true_type) {
    return bits_as<V>(_mm512_dpbf16_ps(bits_as<__m512>(sum), bits_as<__m512bh>(a), bits_as<__m512bh>(c)));
  }
  LIERE_INLINE V broadcast(const Scalar* x, std::true_type) {
    int32_t pair;
    memcpy(&pair, x, sizeof(pair));
    return bits_as<V>(_mm512_set1_epi32(pair));
  }
#else
  static void pack_pairs(int64_t, int64_t, Scalar*) {}
#endif
  LIERE_INLINE V multiply_add(V sum, V a, V c, std::false_type) { return sum + a * c; }
  LIERE_INLINE V broadcast(const Scalar* x, std::false_type) { return *x - V{}; }
  static void transpose(const Scalar* in, int64_t block, int64_t width, Scalar* out) {
    const int64_t whole = block / kLanes * kLanes;
    for (int64_t k = 0; k < whole; k += kLanes)
      for (int64_t i = 0; i < whole; i += kLanes) transpose_square(in + i * block + k, block, out + k * width + i, width);
    for (int64_t k = 0; k < block; ++k)
      for (int64_t i = k < whole ? whole : 0; i < block; ++i) out[k * width + i] = in[i * block + k];
  }

  static void gather(const T* const first[2], int64_t step, int64_t samples, int64_t dim, Scalar* out) {
    for (int64_t m = 0; m < 2 * samples; ++m) {
      const T* const in = first[m % 2] + m / 2 * step;
      Scalar* const row = out + m * row_size(dim);
      int64_t j = 0;
      for (; j + kLanes <= dim; j += kLanes) store(row + j, load(in + j));
      if (j < dim) {
        V part;
        load_part(in + j, dim - j, part);
        store(row + j, part);
      }
    }
  }

  /// What comes next is fetched line by line between the steps of the products: a burst would fill the core's miss buffers and stop it.
  struct Queue {
    const char* rows;                 // the next rows
    const int64_t *offset, *end;      // of their lines; the last one repeats
    const char *matrix, *matrix_end;  // the part of the next matrix that is this unit's to fetch
    int64_t matrix_step;              // bytes; a line may be asked for more than once
    template <bool kMatrix>
    LIERE_INLINE void fetch(Queue& q) {
      __builtin_prefetch(q.rows + *q.offset);
      q.offset += q.offset != q.end;
      if constexpr (kMatrix) {
        __builtin_prefetch(q.matrix);
        q.matrix += q.matrix < q.matrix_end ? q.matrix_step : 0;
      }
    }
  };
  /// The same as they are, as pairs of channels.
  static void gather_pairs(const T* const first[2], int64_t step, int64_t samples, int64_t dim, Scalar* out) {
    for (int64_t m = 0; m < 2 * samples; ++m) memcpy(out + m * row_size(dim), first[m % 2] + m / 2 * step, static_cast<size_t>(dim) * sizeof(T));
  }

#ifdef LIERE_BFLOAT16_ONLY
  /// One row per sample: pairs of q's and k's channel.
  static void gather_both(const T* const first[2], int64_t step, int64_t samples, int64_t dim, Scalar* out) {
    const auto half = [](const T* from) { return _mm512_cvtepu16_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(from))); };
    for (int64_t sample = 0; sample < samples; ++sample)
      for (int64_t j = 0; j < dim; j += kLanes) {
        const __m512i low = half(first[0] + sample * step + j), high = half(first[1] + sample * step + j);
        _mm512_storeu_si512(out + sample * row_size(dim) + j, _mm512_or_si512(low, _mm512_slli_epi32(high, 16)));
      }
  }
#else
  static void gather_both(const T* const*, int64_t, int64_t, int64_t, Scalar*) {}
#endif

  /// Steps of a whole run: of the products with C, of the sums of X'.
  static int64_t steps(int64_t dim, int64_t block, bool sums) {
    const int64_t vectors = padded(block) / kLanes, n = vectors >= kPanel ? kPanel : vectors >= 2 ? 2 : 1, panels = (vectors + n - 1) / n;
    return sums ? dim / block * panels * ((block * n + kSums - 1) / kSums) * kSamples * (by_pairs(block) ? 1 : 2)
                : dim / (by_pairs(block) ? 2 : 1) * panels * ((2 * kSamples + rows_of(n) - 1) / rows_of(n));
  }
  static constexpr int64_t kLine = 64 / sizeof(T);
  static int64_t lines_of_run(int64_t dim) { return 2 * kSamples * ((dim + kLine - 1) / kLine); }
  /// Offsets in bytes of the lines of a run of q and k, each as often as there are steps for it: spread evenly.
  struct Lines {
    Scratch<int64_t> offset;
    const int64_t* end;
    static int64_t repeat(int64_t dim, int64_t steps) { return steps > 2 * lines_of_run(dim) ? steps / lines_of_run(dim) : 1; }
    Lines(const QueriesKeys<const T>& x, int64_t dim, int64_t steps) : offset(lines_of_run(dim) * repeat(dim, steps) + 1) {
      int64_t* out = offset.get();
      for (int64_t sample = 0; sample < kSamples; ++sample)
        for (const T* const part : {x.q, x.k})
          for (int64_t i = 0; i < dim; i += kLine)
            for (int64_t again = 0; again < repeat(dim, steps); ++again)
              *out++ = reinterpret_cast<intptr_t>(part) - reinterpret_cast<intptr_t>(x.q) +
                       (sample * x.strides.samples + i) * static_cast<int64_t>(sizeof(T));
      end = out;
    }
  };

  /// Where the rows of a tile go: q and k of one sample after another.
  struct Target {
    T* part[2];
    int64_t step, rows, columns;  // columns up to the block's end
  };

  /// Rows of a tile times N vectors of columns of one block; x: the block's first channel of the first row; c: the first column.
  template <int N, class Pairs>
  LIERE_INLINE void product(Pairs pairs, const Scalar* x, int64_t x_step, const Scalar* c, int64_t c_step, int64_t steps, const Target& out,
                            Queue& queue) {
    constexpr int kRows = static_cast<int>(rows_of(N));
    V sum[kRows][N];
#pragma GCC unroll 12
    for (int m = 0; m < kRows; ++m)
      for (int n = 0; n < N; ++n) sum[m][n] = V{};
    const Scalar* pair[kRows / 2];
#pragma GCC unroll 12
    for (int m = 0; m < kRows / 2; ++m) pair[m] = x + 2 * m * x_step;
    for (int64_t k = 0; k < steps; ++k) {
      V column[N];
      for (int n = 0; n < N; ++n) column[n] = load(c + n * kLanes);
      c += c_step;
      Queue::template fetch<(N > 1)>(queue);
#pragma GCC unroll 12
      for (int m = 0; m < kRows; ++m) {
        const V a = broadcast(pair[m / 2] + m % 2 * x_step + k, pairs);
        for (int n = 0; n < N; ++n) sum[m][n] = multiply_add(sum[m][n], a, column[n], pairs);
      }
    }
    if (out.rows >= kRows && out.columns >= N * kLanes) {
#pragma GCC unroll 12
      for (int m = 0; m < kRows; ++m)
        for (int n = 0; n < N; ++n) store(out.part[m % 2] + m / 2 * out.step + n * kLanes, sum[m][n]);
    } else {
      Scalar whole[kRows * N * kLanes];
#pragma GCC unroll 12
      for (int m = 0; m < kRows; ++m)
        for (int n = 0; n < N; ++n) store(whole + (m * N + n) * kLanes, sum[m][n]);
      store_rest(whole, N * kLanes, out);
    }
  }
  [[gnu::noinline]] static void store_rest(const Scalar* whole, int64_t width, const Target& out) {
    for (int64_t m = 0; m < out.rows && m < rows_of(width / kLanes); ++m) {
      T* const row = out.part[m % 2] + m / 2 * out.step;
      for (int64_t j = 0; j < width && j < out.columns; j += kLanes)
        store_part(row + j, load(whole + m * width + j), out.columns - j < kLanes ? out.columns - j : kLanes);
    }
  }

  /// kSums / N rows i of X' times N vectors of columns j; d and x: channels i and j of the first row of dx' and x'; rows and columns of X' up to the
  /// end.
  template <int N, class Pairs>
  LIERE_INLINE void outer(Pairs pairs, const Scalar* d, const Scalar* x, int64_t step, int64_t steps, Scalar* gradient, int64_t block, int64_t rows,
                          int64_t columns, Queue& queue) {
    constexpr int kI = static_cast<int>(kSums / N);
    V sum[kI][N];
#pragma GCC unroll 16
    for (int i = 0; i < kI; ++i)
      for (int n = 0; n < N; ++n) sum[i][n] = V{};
    for (int64_t m = 0; m < steps; ++m) {
      V other[N];
      for (int n = 0; n < N; ++n) other[n] = load(x + n * kLanes);
#pragma GCC unroll 16
      for (int i = 0; i < kI; ++i) {
        const V a = broadcast(d + i, pairs);
        for (int n = 0; n < N; ++n) sum[i][n] = multiply_add(sum[i][n], a, other[n], pairs);
      }
      d += step;
      x += step;
      Queue::template fetch<(N > 1)>(queue);
    }
    if (rows >= kI && columns >= N * kLanes) {
#pragma GCC unroll 16
      for (int i = 0; i < kI; ++i)
        for (int n = 0; n < N; ++n) store(gradient + i * block + n * kLanes, load(gradient + i * block + n * kLanes) + sum[i][n]);
    } else {
      Scalar whole[kI * N * kLanes];
#pragma GCC unroll 16
      for (int i = 0; i < kI; ++i)
        for (int n = 0; n < N; ++n) store(whole + (i * N + n) * kLanes, sum[i][n]);
      add_rest(whole, kI, N * kLanes, gradient, block, rows, columns);
    }
  }
  [[gnu::noinline]] static void add_rest(const Scalar* whole, int64_t height, int64_t width, Scalar* gradient, int64_t block, int64_t rows,
                                         int64_t columns) {
    for (int64_t i = 0; i < rows && i < height; ++i)
      for (int64_t j = 0; j < columns && j < width; ++j) gradient[i * block + j] += whole[i * width + j];
  }

  /// A panel of N vectors of columns, from `column` of block `number`: y of all rows, X' of all i.
  template <int N>
  static void panel(const Rows<T>& r, int64_t dim, int64_t block, int64_t number, int64_t column, const Scalar* c, const Scalar* x, Queue& queue) {
    constexpr int64_t kRows = rows_of(N);
    const int64_t step = row_size(dim), width = padded(block), channel = number * block, first = channel + column;
    for (int64_t row = 0; row < 2 * r.samples; row += kRows) {
      const int64_t out = row / 2 * r.out_step + first;
      const Scalar* const columns = c + number * block * width + column;
      const Target target{{r.out[0] + out, r.out[1] + out}, r.out_step, 2 * r.samples - row, block - column};
#ifdef LIERE_BFLOAT16_ONLY
      if (by_pairs(block)) {
        product<N>(std::true_type(), x + row * step + channel / 2, step, columns, width, block / 2, target, queue);
        continue;
      }
#endif
      product<N>(std::false_type(), x + row * step + channel, step, columns, width, block, target, queue);
    }
  }
  template <int N>
  static void outer_panel(int64_t dim, int64_t block, int64_t number, int64_t column, int64_t samples, const Scalar* d, const Scalar* x,
                          Scalar* gradient, Queue& queue) {
    const int64_t channel = number * block;
    for (int64_t i = 0; i < block; i += kSums / N) {
      Scalar* const sums = gradient + (channel + i) * block + column;
      const Scalar *const left = d + channel + i, *const right = x + channel + column;
#ifdef LIERE_BFLOAT16_ONLY
      if (by_pairs(block)) {
        outer<N>(std::true_type(), left, right, row_size(dim), samples, sums, block, block - i, block - column, queue);
        continue;
      }
#endif
      outer<N>(std::false_type(), left, right, row_size(dim), 2 * samples, sums, block, block - i, block - column, queue);
    }
  }

  static void turn(const Rows<T>& r, int64_t dim, int64_t block, const Scalar* c, Scalar* memory, Scalar* gradient, Queue queue, Queue turned_queue) {
    const int64_t part = 2 * (kSamples + 6) * row_size(dim);
    Scalar *const x = memory, *const turned = memory + part, *const d = by_pairs(block) ? turned + part : x;
    if (by_pairs(block)) {
      gather_pairs(r.in, r.in_step, r.samples, dim, x);
      if constexpr (kGradient) gather_both(r.in, r.in_step, r.samples, dim, d);
      if constexpr (kGradient) gather_both(r.turned, r.turned_step, r.samples, dim, turned);
    } else {
      gather(r.in, r.in_step, r.samples, dim, x);
      if constexpr (kGradient) gather(r.turned, r.turned_step, r.samples, dim, turned);
    }
    const int64_t width = padded(block);
    for (int64_t number = 0; number < dim / block; ++number)
      for (int64_t column = 0; column < width;) {
        const int64_t left = (width - column) / kLanes, take = left >= kPanel ? kPanel : left >= 2 ? 2 : 1;
        if (take == kPanel) {
          panel<kPanel>(r, dim, block, number, column, c, x, queue);
          if constexpr (kGradient) outer_panel<kPanel>(dim, block, number, column, r.samples, d, turned, gradient, turned_queue);
        } else if (take == 2) {
          panel<2>(r, dim, block, number, column, c, x, queue);
          if constexpr (kGradient) outer_panel<2>(dim, block, number, column, r.samples, d, turned, gradient, turned_queue);
        } else {
          panel<1>(r, dim, block, number, column, c, x, queue);
          if constexpr (kGradient) outer_panel<1>(dim, block, number, column, r.samples, d, turned, gradient, turned_queue);
        }
        column += take * kLanes;
      }
  }
};
