// Executes CUDA kernels on the CPU: a fibre (Boost.Context) per thread, blocks one after another. Which warp runs, and when, is drawn by a seed: at
// random, or one warp as far ahead of the others as its barriers allow. What shows, as std::runtime_error or as a result that is wrong or depends on
// the seed:
//  - shared memory (shared_memory.h): an index out of bounds, a race, bytes read that nobody wrote (they are NaN), a copy that is not waited for;
//  - global memory: an index out of bounds or a null pointer, in tests that use guarded_array.h;
//  - barriers that some threads never reach, words of the warp that not all lanes execute together, limits of a launch.
// What does not: races in global memory but by their effect (run_schedules), the order in which stores of one thread become visible to others, blocks
// that wait for each other, rounding inside mma, speed, and what the emulation misunderstands itself. Included by src/models/kernels/cuda_device.h in
// place of CUDA's headers, none of which it needs.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <source_location>
#include <stdexcept>
#include <string>

#include "support/cuda_on_cpu/shared_memory.h"

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
#define __restrict__ __restrict
#define __launch_bounds__(...)
#define __align__(n) alignas(n)
#define LIERE_DEVICE inline
#define LIERE_DYNAMIC_SHARED(T, name) ::liere::SharedPointer<T> name = ::liere::emulator::dynamic_shared<T>()
#define LIERE_LAUNCH(kernel, grid, block, shared_bytes, stream, ...) \
  ((void)(stream), ::liere::emulator::launch(reinterpret_cast<const void*>(kernel), grid, block, shared_bytes, [&] { kernel(__VA_ARGS__); }))

struct dim3 {
  unsigned x, y, z;
  constexpr dim3(unsigned x = 1, unsigned y = 1, unsigned z = 1) : x(x), y(y), z(z) {}
};
struct alignas(8) float2 {
  float x, y;
};
struct alignas(16) float4 {
  float x, y, z, w;
};
struct alignas(8) uint2 {
  uint32_t x, y;
};
struct alignas(16) uint4 {
  uint32_t x, y, z, w;
};
inline float2 make_float2(float x, float y) { return {x, y}; }
inline float4 make_float4(float x, float y, float z, float w) { return {x, y, z, w}; }
inline uint2 make_uint2(uint32_t x, uint32_t y) { return {x, y}; }
inline uint4 make_uint4(uint32_t x, uint32_t y, uint32_t z, uint32_t w) { return {x, y, z, w}; }
inline float __uint_as_float(uint32_t bits) {
  float value;
  memcpy(&value, &bits, 4);
  return value;
}
inline uint32_t __float_as_uint(float value) {
  uint32_t bits;
  memcpy(&bits, &value, 4);
  return bits;
}

namespace liere {
namespace emulator {

extern dim3 thread_index, block_index, block_size, grid_size;

/// What a launch may ask for on the smallest of the GPUs meant (sm_86): bytes of shared memory in all, and without allow_shared_memory().
constexpr size_t kMostSharedBytes = 101376, kSharedBytesByDefault = 48 << 10;

/// The seed of the order in which threads run; each launch goes on drawing. seed % 4: 0 any warp at any time, 1 warps in a random order of
/// precedence, 2 the first warp runs ahead, 3 the last.
void set_schedule(uint64_t seed);
/// Runs `kernel` for every thread of every block. Throws std::runtime_error where threads wait at different barriers for ever, and what else is said
/// above; a launch beyond the limits runs nothing and leaves its error to launch_error().
void run_grid(dim3 grid, dim3 block, size_t shared_bytes, const std::function<void()>& kernel);
/// The same for a kernel that must have been allowed more than 48 KB of shared memory.
void launch(const void* which, dim3 grid, dim3 block, size_t shared_bytes, const std::function<void()>& kernel);
int allow_shared_memory(const void* which, int bytes);
int take_launch_error();

using Site = std::source_location;
/// What a warp executes together.
enum class Word : uint8_t { kSync, kShuffle, kMma, kLoadMatrices };
/// What a lane shows to its warp and what it receives.
struct Letter {
  alignas(64) unsigned char in[64];
  alignas(64) unsigned char out[64];
  int from;
};
Letter& letter();
/// Waits for the warp; the last lane to arrive calls exchange(letters of the warp, its lanes) once.
void meet(Word word, void (*exchange)(Letter*, int lanes), Site where);
void shuffle_letters(Letter* letters, int lanes);

void block_barrier(Site where = Site::current());
void warp_barrier(Site where = Site::current());
int lane();
/// 64 bytes that the running thread shows to its warp, and those of a lane.
void* mailbox(int lane);

}  // namespace emulator

template <class Kernel>
int allow_shared_memory(Kernel* kernel, int bytes) {
  return emulator::allow_shared_memory(reinterpret_cast<const void*>(kernel), bytes);
}
inline int launch_error() { return emulator::take_launch_error(); }

inline float approximate_exp2(float x) { return std::exp2(x); }
inline float approximate_reciprocal(float x) { return 1.0f / x; }
inline float widen(Bfloat16Bits x) { return __uint_as_float(uint32_t{x.bits} << 16); }
inline float widen(HalfBits x) {
  // The exponent moves up by a product, which is exact and serves subnormals too; five ones become eight.
  const uint32_t magnitude = x.bits & 0x7fffu, sign = uint32_t{x.bits & 0x8000u} << 16;
  const float value = __uint_as_float(magnitude << 13) * 0x1p112f;
  return __uint_as_float(sign | (magnitude >= 0x7c00u ? 0x7f800000u | magnitude << 13 : __float_as_uint(value)));
}
inline float widen(float x) { return x; }
template <class T>
T narrow(float x);
template <>
inline Bfloat16Bits narrow<Bfloat16Bits>(float x) {
  const uint32_t bits = __float_as_uint(x);
  return {static_cast<uint16_t>(x == x ? (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16 : 0x7fffu)};
}
template <>
inline HalfBits narrow<HalfBits>(float x) {
  const auto half = static_cast<_Float16>(x);
  HalfBits bits;
  memcpy(&bits.bits, &half, 2);
  return bits;
}
template <>
inline float narrow<float>(float x) {
  return x;
}
template <class T>
uint32_t narrow_pair(float low, float high) {
  return uint32_t{narrow<T>(low).bits} | uint32_t{narrow<T>(high).bits} << 16;
}

template <class T>
T shuffle(T value, int from, emulator::Site where = emulator::Site::current()) {
  static_assert(sizeof(T) <= 64 && std::is_trivially_copyable_v<T>);
  emulator::Letter& own = emulator::letter();
  memcpy(own.in, &value, sizeof(T));
  own.from = from & 31;
  emulator::meet(emulator::Word::kShuffle, emulator::shuffle_letters, where);
  memcpy(&value, own.out, sizeof(T));
  return value;
}
template <class T>
T shuffle_xor(T value, int mask, emulator::Site where = emulator::Site::current()) {
  return liere::shuffle(value, emulator::lane() ^ mask, where);
}
template <class T>
T shuffle(emulator::Element<T>&& value, int from, emulator::Site where = emulator::Site::current()) {
  return liere::shuffle(static_cast<T>(std::move(value)), from, where);
}
template <class T>
T shuffle_xor(emulator::Element<T>&& value, int mask, emulator::Site where = emulator::Site::current()) {
  return liere::shuffle_xor(static_cast<T>(std::move(value)), mask, where);
}

void mma_half(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2], emulator::Site where = emulator::Site::current());
void mma_bfloat16(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2], emulator::Site where = emulator::Site::current());

namespace emulator {
void load_matrices(uint32_t (&r)[4], const void* row, bool transposed, Site where = Site::current());
template <class T>
const void* matrix_row(SharedPointer<T> row) {
  const auto* at = raw(SharedPointer<const T>(row), 16 / sizeof(T));
  check_alignment(at, 16, "load_matrices");
  return at;
}
}  // namespace emulator
template <class T>
void load_matrices(uint32_t (&r)[4], SharedPointer<T> row, emulator::Site where = emulator::Site::current()) {
  emulator::load_matrices(r, emulator::matrix_row(row), false, where);
}
template <class T>
void load_matrices_transposed(uint32_t (&r)[4], SharedPointer<T> row, emulator::Site where = emulator::Site::current()) {
  emulator::load_matrices(r, emulator::matrix_row(row), true, where);
}

}  // namespace liere

/// In shared memory: atomicAdd(pointer + i, x) or atomicAdd(&pointer[i], x). Of floats the sum depends on the schedule.
template <class T>
T atomicAdd(T* at, std::type_identity_t<T> value) {
  const T before = *at;
  *at = before + value;
  return before;
}
template <class T>
T atomicAdd(::liere::SharedPointer<T> at, std::type_identity_t<T> value) {
  ::liere::emulator::shared_atomic(at.checked(at.address(), 1), sizeof(T));
  return atomicAdd(at.address(), value);
}

#define threadIdx ::liere::emulator::thread_index
#define blockIdx ::liere::emulator::block_index
#define blockDim ::liere::emulator::block_size
#define gridDim ::liere::emulator::grid_size
inline void __syncthreads(::liere::emulator::Site where = ::liere::emulator::Site::current()) { ::liere::emulator::block_barrier(where); }
inline void __syncwarp(::liere::emulator::Site where = ::liere::emulator::Site::current()) { ::liere::emulator::warp_barrier(where); }
