// CPU dropout: plain loops that GCC turns into vectors (one Philox block per lane), compiled three times and chosen at start by the processor.
#include "models/kernels/dropout.h"

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#if __GNUC__ >= 12
#define LIERE_PROCESSOR_VERSIONS __attribute__((target_clones("default", "avx2", "arch=x86-64-v4")))
#else
#define LIERE_PROCESSOR_VERSIONS __attribute__((target_clones("default", "avx2", "avx512f")))
#endif
#else
#define LIERE_PROCESSOR_VERSIONS
#endif

namespace liere {
namespace {

// Inlined into each version so that it is compiled for that version's instruction set.
template <class T>
[[gnu::always_inline]] inline void dropout_segments(const DropoutParams& p, const T* in, T* out, int64_t begin, int64_t end) {
  using Factor = typename DropoutFactor<T>::Type;
  const auto scale = static_cast<Factor>(p.scale);
  const uint32_t step = with_step_read(p).step, site = p.site, threshold = p.threshold;
  const uint64_t key = p.key;
  const int64_t per_row = dropout_segments_per_row(p);
  uint32_t words[kDropoutSegment];
  for (int64_t segment = begin; segment < end; ++segment) {
    const int64_t row = segment / per_row, first = segment % per_row * kDropoutSegment;
    const int64_t count = p.row_elements - first < kDropoutSegment ? p.row_elements - first : kDropoutSegment;
    const auto slot = static_cast<uint32_t>(p.slots ? p.slots[row] : p.first_slot + row);
    const auto first_block = static_cast<uint32_t>(first / 4);
    const int blocks = static_cast<int>((count + 3) / 4);
    for (int i = 0; i < blocks; ++i) {
      const PhiloxBlock block = philox_block(key, step, slot, site, first_block + static_cast<uint32_t>(i));
      words[4 * i] = block.word[0];
      words[4 * i + 1] = block.word[1];
      words[4 * i + 2] = block.word[2];
      words[4 * i + 3] = block.word[3];
    }
    const T* x = in + row * p.row_elements + first;
    T* y = out + row * p.row_elements + first;
#pragma GCC ivdep
    for (int i = 0; i < static_cast<int>(count); ++i) y[i] = dropout_product(x[i], words[i] >= threshold ? scale : Factor{0});
  }
}

}  // namespace

LIERE_PROCESSOR_VERSIONS void dropout_cpu(const DropoutParams& params, const float* in, float* out, int64_t begin, int64_t end) {
  dropout_segments(params, in, out, begin, end);
}
LIERE_PROCESSOR_VERSIONS void dropout_cpu(const DropoutParams& params, const double* in, double* out, int64_t begin, int64_t end) {
  dropout_segments(params, in, out, begin, end);
}
LIERE_PROCESSOR_VERSIONS void dropout_cpu(const DropoutParams& params, const Bfloat16Bits* in, Bfloat16Bits* out, int64_t begin, int64_t end) {
  dropout_segments(params, in, out, begin, end);
}

}  // namespace liere
