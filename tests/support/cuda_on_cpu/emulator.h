// Executes CUDA kernels on the CPU: a fibre (Boost.Context) per thread, blocks one after another, the threads of a block in random order between barriers, by a
// seed. Shared memory is poisoned with NaN before each block and its bounds are checked. A missing barrier, a wrong fragment index, a race or an index past the
// end shows as a wrong result, a result that depends on the seed, or an exception. What it cannot show: speed, ordering of memory between barriers, and what
// it misunderstands itself. Included by src/models/kernels/cuda_device.h in place of CUDA's headers, none of which it needs.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <stdexcept>
#include <string>

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
  ((void)(stream), ::liere::emulator::run_grid(grid, block, shared_bytes, [&] { kernel(__VA_ARGS__); }))

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

/// The seed of the order in which threads run; each launch goes on drawing.
void set_schedule(uint64_t seed);
/// Runs `kernel` for every thread of every block. Throws std::runtime_error where threads wait at different barriers for ever.
void run_grid(dim3 grid, dim3 block, size_t shared_bytes, const std::function<void()>& kernel);
void block_barrier();
void warp_barrier();
int lane();
/// 64 bytes that the running thread shows to its warp, and those of a lane.
void* mailbox(int lane);
unsigned char* shared_begin();
unsigned char* shared_end();
[[noreturn]] void fail(const std::string& what);

}  // namespace emulator

/// A pointer into the block's shared memory that refuses to leave it.
template <class T>
class SharedPointer {
 public:
  explicit SharedPointer(T* pointer) : pointer_(pointer) {}
  template <class U>
  SharedPointer(const SharedPointer<U>& other) : pointer_(other.address()) {}
  T& operator[](int64_t i) const { return *checked(pointer_ + i, 1); }
  T& operator*() const { return *checked(pointer_, 1); }
  SharedPointer operator+(int64_t n) const { return SharedPointer(pointer_ + n); }
  SharedPointer& operator+=(int64_t n) {
    pointer_ += n;
    return *this;
  }
  T* checked(T* p, int64_t count) const {
    const auto* begin = reinterpret_cast<const unsigned char*>(p);
    if (begin < emulator::shared_begin() || begin + count * sizeof(T) > emulator::shared_end())
      emulator::fail("shared memory: an access at byte " + std::to_string(begin - emulator::shared_begin()) + " of " +
                     std::to_string(emulator::shared_end() - emulator::shared_begin()));
    return p;
  }
  T* address() const { return pointer_; }
  /// The same place as elements of another type.
  template <class U>
  SharedPointer<U> as() const {
    return SharedPointer<U>(reinterpret_cast<U*>(pointer_));
  }

 private:
  T* pointer_;
};
template <class T>
T* raw(SharedPointer<T> pointer, int count) {
  return pointer.checked(pointer.address(), count);
}

template <class U, class T>
SharedPointer<U> shared_as(SharedPointer<T> pointer) {
  return pointer.template as<U>();
}

namespace emulator {
template <class T>
SharedPointer<T> dynamic_shared() {
  return SharedPointer<T>(reinterpret_cast<T*>(shared_begin()));
}
}  // namespace emulator

template <class Kernel>
int allow_shared_memory(Kernel*, int) {
  return 0;
}
inline int launch_error() { return 0; }

inline float widen(Bfloat16Bits x) { return __uint_as_float(uint32_t{x.bits} << 16); }
inline float widen(HalfBits x) {
  _Float16 half;
  memcpy(&half, &x.bits, 2);
  return static_cast<float>(half);
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
T shuffle(T value, int from) {
  static_assert(sizeof(T) <= 64);
  memcpy(emulator::mailbox(emulator::lane()), &value, sizeof(T));
  emulator::warp_barrier();
  T result;
  memcpy(&result, emulator::mailbox(from & 31), sizeof(T));
  emulator::warp_barrier();
  return result;
}
template <class T>
T shuffle_xor(T value, int mask) {
  return shuffle(value, emulator::lane() ^ mask);
}

void mma_half(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]);
void mma_bfloat16(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]);

namespace emulator {
void load_matrices(uint32_t (&r)[4], const void* row, bool transposed);
}
template <class T>
void load_matrices(uint32_t (&r)[4], SharedPointer<T> row) {
  emulator::load_matrices(r, raw(row, 16 / sizeof(T)), false);
}
template <class T>
void load_matrices_transposed(uint32_t (&r)[4], SharedPointer<T> row) {
  emulator::load_matrices(r, raw(row, 16 / sizeof(T)), true);
}

template <class T>
void copy_async(SharedPointer<T> shared, const T* global) {
  memcpy(raw(shared, 16 / sizeof(T)), global, 16);
}
inline void copy_async_commit() {}
template <int n>
void copy_async_wait() {}

}  // namespace liere

#define threadIdx ::liere::emulator::thread_index
#define blockIdx ::liere::emulator::block_index
#define blockDim ::liere::emulator::block_size
#define gridDim ::liere::emulator::grid_size
inline void __syncthreads() { ::liere::emulator::block_barrier(); }
inline void __syncwarp() { ::liere::emulator::warp_barrier(); }
