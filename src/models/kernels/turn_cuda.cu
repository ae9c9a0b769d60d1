// Turning queries and keys on a GPU: what is served, and the launches. Kernels: turn_cuda_small.h (pairs, b <= 8), turn_cuda_mma.h (bfloat16, b = 16,
// 32, 64, and the gradient of b = 8), turn_cuda_float.h (float, b = 16, 32, 64).
#include "models/kernels/cuda_device.h"
#include "models/kernels/turn_cuda_float.h"
#include "models/kernels/turn_cuda_mma.h"
#include "models/kernels/turn_cuda_small.h"

namespace liere {
namespace {

using namespace turn_cuda;

// Blocks that keep a GPU of some 130 multiprocessors reading to the end. With a gradient each chunk costs its partial sums, so fewer.
constexpr int64_t kBlocks = 1536, kBlocksWithGradient = 512;

bool aligned(const void* pointer) { return reinterpret_cast<uintptr_t>(pointer) % 16 == 0; }

template <class T, class U>
bool aligned(const QueriesKeys<U>& x) {
  constexpr int64_t kElements = 16 / sizeof(T);
  return aligned(x.q) && aligned(x.k) && x.strides.samples % kElements == 0 && x.strides.heads % kElements == 0 && x.strides.tokens % kElements == 0;
}

template <class T>
bool serves(const TurnPlan<T>& p) {
  const bool small = p.block == 0 || p.block == 2 || p.block == 4 || p.block == 8, large = p.block == 16 || p.block == 32 || p.block == 64;
  constexpr int64_t kMost = int64_t{1} << 31;
  return ((small && p.dim % 8 == 0 && p.dim <= 8 * kMostGroups) || (large && p.dim % 64 == 0 && p.dim < 64 * 65536)) && p.samples > 0 &&
         p.tokens > 0 && (p.own_heads == p.heads || p.own_heads == 1) && p.samples * p.heads < kMost && p.tokens * p.heads < kMost &&
         aligned(p.rotations) && aligned<T>(p.in) && aligned<T>(p.out) && (!p.gradient || (aligned(p.gradient) && aligned<T>(p.turned)));
}

/// Whether tensor cores serve: else turn_cuda_small.h.
template <class T>
bool is_large(const TurnPlan<T>& p) {
  return p.block >= 16 || (p.block == 8 && p.gradient && p.dim % kSlab == 0 && std::is_same_v<T, Bfloat16Bits>);
}

/// Neighbouring heads of a block of the small kernel: as few as leave no thread without a member.
template <class T>
int heads_of_block(const TurnPlan<T>& p) {
  const int64_t of_head = p.dim / 8;
  int heads = 1;
  for (int more = 2; more <= p.own_heads && more * of_head <= kSmallThreads / 2; ++more)
    if (p.own_heads % more == 0 && kSmallThreads / (heads * of_head) > members_of(p)) heads = more;
  return heads;
}

template <class T>
Cut cut_of(const TurnPlan<T>& p) {
  const int64_t wanted = p.gradient ? kBlocksWithGradient : kBlocks;
  const int64_t sets = (p.tokens - 1) * p.own_heads, members = members_of(p);
  Cut cut;
  if (!is_large(p)) {
    const int heads = heads_of_block(p);
    const int64_t slots = kSmallThreads / (heads * (p.dim / 8));
    cut = cut_members(members, sets / heads, 4 * slots, wanted);
    cut.heads = heads;
  } else {
    cut = cut_members(members, sets * (p.dim / 64), 2 * kStageMembers, wanted);
  }
  cut.size = p.gradient ? gradient_size(p) : 0;
  return cut;
}

template <class T>
int64_t workspace(const TurnPlan<T>& p) {
  if (!p.gradient || p.tokens == 1) return 0;
  const Cut cut = cut_of(p);
  return cut.chunks == 1 ? 0 : cut.chunks * cut.size * static_cast<int64_t>(sizeof(float));
}

template <class Kernel, class T>
int launch(Kernel* kernel, const TurnPlan<T>& p, const Cut& cut, int64_t slabs, int threads, int bytes, void* stream) {
  if (bytes > 48 << 10)
    if (const int error = allow_shared_memory(kernel, bytes)) return error;
  const dim3 grid(static_cast<unsigned>((p.tokens - 1) * p.own_heads / cut.heads), static_cast<unsigned>(slabs), static_cast<unsigned>(cut.chunks));
  LIERE_LAUNCH(kernel, grid, threads, bytes, stream, p, cut);
  return launch_error();
}

template <int b, bool kTransposed, class T>
int turn_small(const TurnPlan<T>& p, const Cut& cut, void* stream) {
  const int bytes = small_bytes<b>(cut.heads * p.dim / 8, p.gradient != nullptr);
  if constexpr (kTransposed)
    if (p.gradient) return launch(&turn_small_kernel<T, b, true, true>, p, cut, 1, kSmallThreads, bytes, stream);
  return launch(&turn_small_kernel<T, b, kTransposed, false>, p, cut, 1, kSmallThreads, bytes, stream);
}

template <int b, bool kTransposed>
int turn_large(const TurnPlan<Bfloat16Bits>& p, const Cut& cut, void* stream) {
  if constexpr (kTransposed)
    if (p.gradient) return launch(&turn_mma_gradient_kernel<b>, p, cut, p.dim / kSlab, kMmaThreads, kGradientBytes<b>, stream);
  return launch(&turn_mma_kernel<b, kTransposed>, p, cut, p.dim / kSlab, kMmaThreads, kRotationBytes<b>, stream);
}
template <int b, bool kTransposed>
int turn_large(const TurnPlan<float>& p, const Cut& cut, void* stream) {
  if constexpr (kTransposed)
    if (p.gradient) return launch(&turn_float_kernel<b, true, true>, p, cut, p.dim / kFloatSlab, kFloatThreads, kFloatBytes<b, true>, stream);
  return launch(&turn_float_kernel<b, kTransposed, false>, p, cut, p.dim / kFloatSlab, kFloatThreads, kFloatBytes<b, false>, stream);
}

template <class T>
int copy_cls(const TurnPlan<T>& p, void* stream) {
  if (p.in.q == p.out.q && p.in.k == p.out.k) return 0;
  const int64_t words = p.samples * p.heads * p.dim * static_cast<int64_t>(sizeof(T)) / 16;
  LIERE_LAUNCH(copy_cls_kernel<T>, static_cast<unsigned>((words + 255) / 256), 256, 0, stream, p);
  return launch_error();
}

template <bool kTransposed, class T>
int turn(const TurnPlan<T>& p, const Cut& cut, void* stream) {
  switch (p.block) {
    case 0:
      return turn_small<0, kTransposed>(p, cut, stream);
    case 2:
      return turn_small<2, kTransposed>(p, cut, stream);
    case 4:
      return turn_small<4, kTransposed>(p, cut, stream);
    case 8:
      if constexpr (kTransposed && std::is_same_v<T, Bfloat16Bits>)
        if (is_large(p)) return turn_large<8, kTransposed>(p, cut, stream);
      return turn_small<8, kTransposed>(p, cut, stream);
    case 16:
      return turn_large<16, kTransposed>(p, cut, stream);
    case 32:
      return turn_large<32, kTransposed>(p, cut, stream);
    default:
      return turn_large<64, kTransposed>(p, cut, stream);
  }
}

template <class T>
int forward(const TurnPlan<T>& plan, void* stream) {
  TurnPlan<T> p = plan;
  p.gradient = nullptr;
  if (const int error = copy_cls(p, stream)) return error;
  return p.tokens == 1 ? 0 : turn<false>(p, cut_of(p), stream);
}

template <class T>
int backward(const TurnPlan<T>& p, void* workspace, void* stream) {
  if (const int error = copy_cls(p, stream)) return error;
  if (p.tokens == 1) return 0;
  Cut cut = cut_of(p);
  cut.sums = cut.chunks == 1 ? p.gradient : static_cast<float*>(workspace);
  if (const int error = turn<true>(p, cut, stream)) return error;
  if (!p.gradient || cut.chunks == 1) return 0;
  LIERE_LAUNCH(add_partials_kernel, static_cast<unsigned>((cut.size / 4 + 255) / 256), 256, 0, stream, cut.sums, cut.size, cut.chunks, p.gradient);
  return launch_error();
}

template <class T>
DeviceTurnKernels<T> table() {
  return {serves<T>, workspace<T>, forward<T>, backward<T>};
}

}  // namespace

DeviceTurnKernels<float> turn_device_kernels_float() { return table<float>(); }
DeviceTurnKernels<Bfloat16Bits> turn_device_kernels_bfloat16() { return table<Bfloat16Bits>(); }

}  // namespace liere
