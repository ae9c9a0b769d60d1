// The words that a .cu file may use: CUDA's own where nvcc compiles it, and the same words executed on the CPU where tests do (LIERE_CUDA_ON_CPU,
// tests/support/cuda_on_cpu: a fibre per thread). A kernel that keeps to threadIdx and its kin, __syncthreads, __syncwarp, atomicAdd and what stands here runs in
// both, line for line. The first four words of a kernel file are this include; it sees no torch.
//
// Fragments (PTX ISA, "Matrix fragments for mma.m16n8k16"; g = lane / 4, t = lane % 4): a[i] holds row g + 8 (i % 2), columns 2t, 2t+1 + 8 (i / 2) of A
// [16, 16]; b[i] holds rows 2t, 2t+1 + 8 i, column g of B [16, 8]; d[i] is row g + 8 (i / 2), column 2t + i % 2 of D [16, 8]. The element of the lower
// index lies in the lower half of the word.
#pragma once

#include <cstdint>

#include "models/kernels/dropout.h"

namespace liere {

/// An IEEE half by its bits.
struct HalfBits {
  uint16_t bits;
};

}  // namespace liere

#ifdef LIERE_CUDA_ON_CPU
#include "support/cuda_on_cpu/emulator.h"
#else

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>

/// The block's dynamic shared memory, 128-byte aligned, as `name`, a SharedPointer<T>.
#define LIERE_DYNAMIC_SHARED(T, name)                                   \
  extern __shared__ __align__(128) unsigned char liere_dynamic_shared[]; \
  ::liere::SharedPointer<T> name = reinterpret_cast<T*>(liere_dynamic_shared)
/// kernel<<<grid, block, shared_bytes, stream>>>(...), stream a void*. More than 48 KB of shared memory need allow_shared_memory() first.
#define LIERE_LAUNCH(kernel, grid, block, shared_bytes, stream, ...) kernel<<<grid, block, shared_bytes, static_cast<cudaStream_t>(stream)>>>(__VA_ARGS__)
#define LIERE_DEVICE __device__ __forceinline__

namespace liere {

/// A pointer into shared memory; a class that checks its bounds where tests execute the kernel. Use [], + and raw(pointer, count).
template <class T>
using SharedPointer = T*;
/// The address itself, for vector loads and stores of `count` elements.
template <class T>
LIERE_DEVICE T* raw(T* pointer, int count) {
  return pointer;
}

/// The same place as elements of another type.
template <class U, class T>
LIERE_DEVICE U* shared_as(T* pointer) {
  return reinterpret_cast<U*>(pointer);
}

/// Before the first launch of a kernel with more than 48 KB of dynamic shared memory. Returns a CUDA error code.
template <class Kernel>
int allow_shared_memory(Kernel* kernel, int bytes) {
  return cudaFuncSetAttribute(reinterpret_cast<const void*>(kernel), cudaFuncAttributeMaxDynamicSharedMemorySize, bytes);
}
/// The CUDA error of the launches so far, 0 for success.
inline int launch_error() { return cudaGetLastError(); }

LIERE_DEVICE float widen(Bfloat16Bits x) { return __uint_as_float(uint32_t{x.bits} << 16); }
LIERE_DEVICE float widen(HalfBits x) { return __half2float(__ushort_as_half(x.bits)); }
LIERE_DEVICE float widen(float x) { return x; }
/// To nearest, ties to even; NaN stays NaN.
template <class T>
LIERE_DEVICE T narrow(float x);
template <>
LIERE_DEVICE Bfloat16Bits narrow<Bfloat16Bits>(float x) {
  return {__bfloat16_as_ushort(__float2bfloat16_rn(x))};
}
template <>
LIERE_DEVICE HalfBits narrow<HalfBits>(float x) {
  return {__half_as_ushort(__float2half_rn(x))};
}
template <>
LIERE_DEVICE float narrow<float>(float x) {
  return x;
}
/// Two rounded values in a word, `low` in the lower half: one instruction.
template <class T>
LIERE_DEVICE uint32_t narrow_pair(float low, float high);
template <>
LIERE_DEVICE uint32_t narrow_pair<Bfloat16Bits>(float low, float high) {
  const __nv_bfloat162 pair = __floats2bfloat162_rn(low, high);
  return *reinterpret_cast<const uint32_t*>(&pair);
}
template <>
LIERE_DEVICE uint32_t narrow_pair<HalfBits>(float low, float high) {
  const __half2 pair = __floats2half2_rn(low, high);
  return *reinterpret_cast<const uint32_t*>(&pair);
}

/// The value of lane `lane` / of lane `own lane ^ mask`; the whole warp takes part.
template <class T>
LIERE_DEVICE T shuffle(T value, int lane) {
  return __shfl_sync(0xffffffffu, value, lane);
}
template <class T>
LIERE_DEVICE T shuffle_xor(T value, int mask) {
  return __shfl_xor_sync(0xffffffffu, value, mask);
}

/// 2^x and 1 / x by one instruction each, with relative errors up to 2^-22 and 2^-23.
LIERE_DEVICE float approximate_exp2(float x) {
  float y;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}
LIERE_DEVICE float approximate_reciprocal(float x) {
  float y;
  asm("rcp.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}

/// D += A B with fp32 sums; fragments as above, of halves or of bfloat16.
LIERE_DEVICE void mma_half(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
  asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};\n"
               : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
               : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}
LIERE_DEVICE void mma_bfloat16(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
  asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};\n"
               : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
               : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

/// ldmatrix.x4: lane l points to row l % 8 (8 two-byte elements, 16-byte aligned) of 8x8 matrix l / 8; r[i] of lane l becomes elements 2 (l % 4) and the next of
/// row l / 4 of matrix i; `transposed`: of column l / 4.
template <class T>
LIERE_DEVICE void load_matrices(uint32_t (&r)[4], T* row) {
  const auto address = static_cast<uint32_t>(__cvta_generic_to_shared(row));
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];\n" : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3]) : "r"(address) : "memory");
}
template <class T>
LIERE_DEVICE void load_matrices_transposed(uint32_t (&r)[4], T* row) {
  const auto address = static_cast<uint32_t>(__cvta_generic_to_shared(row));
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3}, [%4];\n" : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3]) : "r"(address) : "memory");
}

/// 16 bytes from global to shared memory, in the background; both 16-byte aligned.
template <class T>
LIERE_DEVICE void copy_async(T* shared, const T* global) {
  const auto address = static_cast<uint32_t>(__cvta_generic_to_shared(shared));
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16;\n" ::"r"(address), "l"(global) : "memory");
}
/// Closes the group of copies so far; wait<n> returns when all but the newest n groups of this thread are there (a barrier makes them visible to others).
LIERE_DEVICE void copy_async_commit() { asm volatile("cp.async.commit_group;\n" ::: "memory"); }
template <int n>
LIERE_DEVICE void copy_async_wait() {
  asm volatile("cp.async.wait_group %0;\n" ::"n"(n) : "memory");
}

}  // namespace liere
#endif

namespace liere {

/// The sum over the warp's lanes, in every lane, in a fixed order.
LIERE_DEVICE float warp_sum(float value) {
  for (int mask = 16; mask > 0; mask /= 2) value += shuffle_xor(value, mask);
  return value;
}

}  // namespace liere
