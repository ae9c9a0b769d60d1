// GPU dropout: one thread draws one Philox block and serves four neighbouring elements; the same bits as dropout.cpp.
#include "models/kernels/cuda_device.h"
#include "models/kernels/device_kernels.h"

namespace liere {
namespace {

template <class T>
struct alignas(4 * sizeof(T)) Four {
  T values[4];
};

// kAligned: rows are multiples of four elements and both pointers are aligned to four, so that loads and stores are whole.
template <class T, bool kAligned>
__global__ void dropout_kernel(DropoutParams params, const T* __restrict__ in, T* __restrict__ out) {
  const DropoutParams p = with_step_read(params);
  using Factor = typename DropoutFactor<T>::Type;
  const auto scale = static_cast<Factor>(p.scale);
  const int64_t blocks_per_row = (p.row_elements + 3) / 4, total = p.rows * blocks_per_row;
  for (int64_t i = blockIdx.x * int64_t{blockDim.x} + threadIdx.x; i < total; i += int64_t{gridDim.x} * blockDim.x) {
    const int64_t row = i / blocks_per_row, block = i % blocks_per_row;
    const auto slot = static_cast<uint32_t>(p.slots ? p.slots[row] : p.first_slot + row);
    const PhiloxBlock words = philox_block(p.key, p.step, slot, p.site, static_cast<uint32_t>(block));
    const int64_t first = row * p.row_elements + 4 * block;
    if constexpr (kAligned) {
      Four<T> four = *reinterpret_cast<const Four<T>*>(in + first);
      for (int k = 0; k < 4; ++k) four.values[k] = dropout_product(four.values[k], words.word[k] >= p.threshold ? scale : Factor{0});
      *reinterpret_cast<Four<T>*>(out + first) = four;
    } else {
      for (int k = 0; k < 4 && 4 * block + k < p.row_elements; ++k)
        out[first + k] = dropout_product(in[first + k], words.word[k] >= p.threshold ? scale : Factor{0});
    }
  }
}

template <class T>
int launch(const DropoutParams& p, const T* in, T* out, void* stream) {
  const int64_t total = p.rows * ((p.row_elements + 3) / 4);
  if (total == 0) return 0;
  constexpr int kThreads = 256;
  constexpr int64_t kMostBlocks = 65536;
  const int64_t wanted = (total + kThreads - 1) / kThreads;
  const auto grid = static_cast<unsigned>(wanted < kMostBlocks ? wanted : kMostBlocks);
  const bool aligned =
      p.row_elements % 4 == 0 && reinterpret_cast<uintptr_t>(in) % sizeof(Four<T>) == 0 && reinterpret_cast<uintptr_t>(out) % sizeof(Four<T>) == 0;
  if (aligned)
    LIERE_LAUNCH((dropout_kernel<T, true>), grid, kThreads, 0, stream, p, in, out);
  else
    LIERE_LAUNCH((dropout_kernel<T, false>), grid, kThreads, 0, stream, p, in, out);
  return launch_error();
}

}  // namespace

int dropout_device(const DropoutParams& params, const float* in, float* out, void* stream) { return launch(params, in, out, stream); }
int dropout_device(const DropoutParams& params, const double* in, double* out, void* stream) { return launch(params, in, out, stream); }
int dropout_device(const DropoutParams& params, const Bfloat16Bits* in, Bfloat16Bits* out, void* stream) { return launch(params, in, out, stream); }

}  // namespace liere
