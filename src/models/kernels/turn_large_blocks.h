// Blocks of any other side: included by turn_kernels_body.h inside the namespace of one instruction set. Rows of a run of samples are first copied side by
// side (their distance in memory is a sample, which maps many of them to the same lines of the first-level cache), then multiplied in tiles of registers:
//
//   y[m][i] = sum_k x[m][k] C[k][i]       C = R^T forward (packed), R backward;  kRows rows times up to kPanel vectors of columns
//   X'[i][j] += sum_m dx'[m][i] x'[m][j]  a second product of the same rows, added straight to the gradient
//
// Columns of C are filled up to whole vectors; lanes beyond a block are computed and not stored.

template <class T, bool kGradient>
struct LargeBlocks {
  using Scalar = typename RotationScalar<T>::Type;
  using V = typename Lanes<Scalar>::Vector;
  static constexpr int64_t kLanes = Lanes<Scalar>::kCount, kSamples = 12, kRows = 6, kPanel = LIERE_LANES == 16 ? 4 : 2;
  static constexpr int64_t kSums = LIERE_LANES == 16 ? 16 : 8;  // vectors of X' in registers at a time
  static_assert(2 * kSamples % kRows == 0);

  static int64_t padded(int64_t n) { return (n + kLanes - 1) / kLanes * kLanes; }
  static int64_t row_size(int64_t dim) { return padded(dim) + kLanes * kPanel + kSums; }  // what a product may read beyond a row's end
  static int64_t slot_size(int64_t dim, int64_t block) { return dim * padded(block); }
  static int64_t rows_size(int64_t dim) { return (kGradient ? 2 : 1) * 2 * kSamples * row_size(dim); }

  /// Whether a head's rotations fill the first-level cache.
  static bool by_head(int64_t block) { return block >= 32; }
  /// Backward, rotations of whole vectors are C as they are.
  static bool is_packed(int64_t block, bool backward) { return !backward || padded(block) != block; }
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
    }
  }
  static void transpose(const Scalar* in, int64_t block, int64_t width, Scalar* out) {
    for (int64_t k = 0; k < block; ++k)
      for (int64_t i = 0; i < block; ++i) out[k * width + i] = in[i * block + k];
  }

  static void gather(const T* const first[2], int64_t step, int64_t samples, int64_t dim, Scalar* out) {
    for (int64_t m = 0; m < 2 * samples; ++m) {
      const T* const in = first[m % 2] + m / 2 * step;
      Scalar* const row = out + m * row_size(dim);
      int64_t j = 0;
      for (; j + kLanes <= dim; j += kLanes) store(row + j, load(in + j));
      if (j < dim) store(row + j, load_part(in + j, dim - j));
    }
  }

  /// kRows rows times N vectors of columns of one block; x: the block's first channel of the first row; c: the first column; left: columns up to the block's end.
  template <int N>
  LIERE_INLINE void product(const Scalar* x, int64_t x_step, const Scalar* c, int64_t c_step, int64_t block, T* const out[kRows], int64_t rows, int64_t left) {
    V sum[kRows][N];
    for (int m = 0; m < kRows; ++m)
      for (int n = 0; n < N; ++n) sum[m][n] = V{};
    for (int64_t k = 0; k < block; ++k) {
      V column[N];
      for (int n = 0; n < N; ++n) column[n] = load(c + k * c_step + n * kLanes);
      for (int m = 0; m < kRows; ++m) {
        const V broadcast = V{} + x[m * x_step + k];
        for (int n = 0; n < N; ++n) sum[m][n] += broadcast * column[n];
      }
    }
#pragma GCC unroll 6
    for (int m = 0; m < kRows; ++m) {
      if (m >= rows) break;
      for (int n = 0; n < N; ++n) {
        if (left >= (n + 1) * kLanes)
          store(out[m] + n * kLanes, sum[m][n]);
        else
          store_part(out[m] + n * kLanes, sum[m][n], left - n * kLanes);
      }
    }
  }

  /// kSums / N rows i of X' times N vectors of columns j; d and x: channels i and j of the first row of dx' and x'.
  template <int N>
  LIERE_INLINE void outer(const Scalar* d, const Scalar* x, int64_t step, int64_t rows, Scalar* gradient, int64_t block, int64_t rows_left, int64_t left) {
    constexpr int kI = static_cast<int>(kSums / N);
    V sum[kI][N];
    for (int i = 0; i < kI; ++i)
      for (int n = 0; n < N; ++n) sum[i][n] = V{};
    for (int64_t m = 0; m < rows; ++m) {
      V other[N];
      for (int n = 0; n < N; ++n) other[n] = load(x + m * step + n * kLanes);
      for (int i = 0; i < kI; ++i) {
        const V broadcast = V{} + d[m * step + i];
        for (int n = 0; n < N; ++n) sum[i][n] += broadcast * other[n];
      }
    }
#pragma GCC unroll 16
    for (int i = 0; i < kI; ++i) {
      if (i >= rows_left) break;
      for (int n = 0; n < N; ++n) {
        Scalar* const g = gradient + i * block + n * kLanes;
        if (left >= (n + 1) * kLanes)
          store(g, load(g) + sum[i][n]);
        else
          store_part(g, load_part(g, left - n * kLanes) + sum[i][n], left - n * kLanes);
      }
    }
  }

  /// A panel of N vectors of columns, from `column` of block `number`: y of all rows, X' of all i.
  template <int N>
  static void panel(const Rows<T>& r, int64_t dim, int64_t block, int64_t number, int64_t column, const Scalar* c, const Scalar* x) {
    const int64_t step = row_size(dim), width = padded(block), channel = number * block, rows = 2 * r.samples;
    for (int64_t row = 0; row < rows; row += kRows) {
      T* out[kRows];
      for (int64_t m = 0; m < kRows; ++m) {
        const int64_t sample = row + m < rows ? (row + m) / 2 : 0;
        out[m] = r.out[m % 2] + sample * r.out_step + channel + column;
        if (number != 0 || column != 0) continue;
        prefetch(r.next_in[m % 2] + sample * r.in_step, dim);
        if constexpr (kGradient) prefetch(r.next_turned[m % 2] + sample * r.turned_step, dim);
      }
      product<N>(x + row * step + channel, step, c + number * block * width + column, width, block, out, rows - row, block - column);
    }
  }
  template <int N>
  static void outer_panel(int64_t dim, int64_t block, int64_t number, int64_t column, int64_t rows, const Scalar* d, const Scalar* x, Scalar* gradient) {
    const int64_t channel = number * block;
    for (int64_t i = 0; i < block; i += kSums / N)
      outer<N>(d + channel + i, x + channel + column, row_size(dim), rows, gradient + (channel + i) * block + column, block, block - i, block - column);
  }

  static void turn(const Rows<T>& r, int64_t dim, int64_t block, const Scalar* c, Scalar* memory, Scalar* gradient) {
    Scalar *const x = memory, *const turned = memory + 2 * kSamples * row_size(dim);
    gather(r.in, r.in_step, r.samples, dim, x);
    if constexpr (kGradient) gather(r.turned, r.turned_step, r.samples, dim, turned);
    const int64_t width = padded(block);
    for (int64_t number = 0; number < dim / block; ++number)
      for (int64_t column = 0; column < width;) {
        const int64_t left = (width - column) / kLanes, take = left >= kPanel ? kPanel : left >= 2 ? 2 : 1;
        if (take == kPanel) {
          panel<kPanel>(r, dim, block, number, column, c, x);
          if constexpr (kGradient) outer_panel<kPanel>(dim, block, number, column, 2 * r.samples, x, turned, gradient);
        } else if (take == 2) {
          panel<2>(r, dim, block, number, column, c, x);
          if constexpr (kGradient) outer_panel<2>(dim, block, number, column, 2 * r.samples, x, turned, gradient);
        } else {
          panel<1>(r, dim, block, number, column, c, x);
          if constexpr (kGradient) outer_panel<1>(dim, block, number, column, 2 * r.samples, x, turned, gradient);
        }
        column += take * kLanes;
      }
  }
};
