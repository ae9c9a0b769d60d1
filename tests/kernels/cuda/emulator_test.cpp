// The words of cuda_device.h as the emulation executes them, against plain loops.
#include <numeric>
#include <vector>

#include "models/kernels/cuda_device.h"
#include "support/catch.h"
#include "support/cuda_on_cpu/guarded_memory.h"
#include "support/cuda_on_cpu/schedules.h"

namespace liere {
namespace {

// Fragments by the layout that stands in cuda_device.h, element by element: A [16, 16], B [16, 8], D [16, 8], row after row.
template <class T>
__global__ void fragment_kernel(const T* a, const T* b, float* d) {
  const int lane = threadIdx.x, g = lane / 4, t = lane % 4;
  uint32_t left[4], right[2];
  float sums[4];
  for (int i = 0; i < 4; ++i) {
    const T* pair = a + (g + 8 * (i % 2)) * 16 + 2 * t + 8 * (i / 2);
    left[i] = uint32_t{pair[0].bits} | uint32_t{pair[1].bits} << 16;
    sums[i] = d[(g + 8 * (i / 2)) * 8 + 2 * t + i % 2];
  }
  for (int i = 0; i < 2; ++i) right[i] = uint32_t{b[(2 * t + 8 * i) * 8 + g].bits} | uint32_t{b[(2 * t + 1 + 8 * i) * 8 + g].bits} << 16;
  if constexpr (std::is_same_v<T, HalfBits>)
    mma_half(sums, left, right);
  else
    mma_bfloat16(sums, left, right);
  for (int i = 0; i < 4; ++i) d[(g + 8 * (i / 2)) * 8 + 2 * t + i % 2] = sums[i];
}

template <class T>
void check_fragments() {
  std::vector<float> a(256), b(128), d(128);
  for (size_t i = 0; i < 256; ++i) a[i] = static_cast<float>(static_cast<int>(i * 37 % 101) - 50) / 4;
  for (size_t i = 0; i < 128; ++i) b[i] = static_cast<float>(static_cast<int>(i * 29 % 97) - 48) / 2, d[i] = static_cast<float>(i);
  std::vector<T> narrow_a, narrow_b;
  for (const float x : a) narrow_a.push_back(narrow<T>(x));
  for (const float x : b) narrow_b.push_back(narrow<T>(x));
  const auto found = run_schedules(4, [&] {
    auto sums = d;
    LIERE_LAUNCH(fragment_kernel<T>, 1, 32, 0, nullptr, narrow_a.data(), narrow_b.data(), sums.data());
    return sums;
  });
  for (size_t row = 0; row < 16; ++row)
    for (size_t column = 0; column < 8; ++column) {
      float expected = d[row * 8 + column];  // exact: multiples of 1/8 below 2^17
      for (size_t k = 0; k < 16; ++k) expected += a[row * 16 + k] * b[k * 8 + column];
      CHECK(found[row * 8 + column] == expected);
    }
}

/// Four 8x8 matrices of 100 m + 8 row + column, rows padded to 24 elements.
__global__ void matrices_kernel(uint32_t* plain, uint32_t* transposed) {
  LIERE_DYNAMIC_SHARED(uint16_t, shared);
  const int lane = threadIdx.x;
  for (int e = 0; e < 8; ++e) shared[lane * 24 + e] = static_cast<uint16_t>(100 * (lane / 8) + lane % 8 * 8 + e);
  __syncwarp();
  uint32_t r[4];
  load_matrices(r, shared + lane * 24);
  for (int i = 0; i < 4; ++i) plain[lane * 4 + i] = r[i];
  load_matrices_transposed(r, shared + lane * 24);
  for (int i = 0; i < 4; ++i) transposed[lane * 4 + i] = r[i];
}

__global__ void indices_kernel(uint32_t* seen, int count) {
  const auto block = blockIdx.x + gridDim.x * (blockIdx.y + gridDim.y * blockIdx.z);
  const auto thread = threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z);
  const auto threads = blockDim.x * blockDim.y * blockDim.z, all = threads * gridDim.x * gridDim.y * gridDim.z;
  for (auto i = static_cast<int>(block * threads + thread); i < count; i += static_cast<int>(all)) atomicAdd(seen + i, 1u);
}

__global__ void histogram_kernel(const int* values, int count, int* sums) {
  LIERE_DYNAMIC_SHARED(int, bins);
  if (threadIdx.x < 8) bins[threadIdx.x] = 0;
  __syncthreads();
  for (int i = static_cast<int>(threadIdx.x); i < count; i += static_cast<int>(blockDim.x)) atomicAdd(&bins[values[i]], 1);
  __syncthreads();
  if (threadIdx.x < 8) sums[threadIdx.x] = bins[threadIdx.x];
}

__global__ void lanes_kernel(float* values) {
  const int thread = threadIdx.x;
  float x = values[thread];
  for (int i = 0; i < 3; ++i) x = shuffle(x, (thread + 1) % 32) + shuffle_xor(x, 4);
  values[thread] = x;
}

/// Half of the threads return before the barriers of the others; the rest reverse their numbers.
__global__ void returning_kernel(int* values) {
  LIERE_DYNAMIC_SHARED(int, shared);
  const int thread = threadIdx.x, half = static_cast<int>(blockDim.x) / 2;
  if (thread >= half) return;
  shared[thread] = values[thread];
  __syncthreads();
  values[thread] = shared[half - 1 - thread];
}

__global__ void nothing_kernel() {}
__global__ void large_kernel() {
  LIERE_DYNAMIC_SHARED(float, shared);
  shared[25343] = 1;
}
__global__ void touch_kernel(int* values, int at) { values[at] = 1; }
__global__ void shared_touch_kernel(int at) {
  LIERE_DYNAMIC_SHARED(float, shared);
  shared[at] = 1;
}
__global__ void stray_kernel(int at) {
  LIERE_DYNAMIC_SHARED(float, shared);
  raw(shared, 1)[at] = 1;
}
__global__ void deep_kernel(int depth, volatile int* sink) {
  struct Deep {
    static int fall(int n, volatile int* sink) {
      volatile char frame[4096];
      frame[n % 4096] = 1;
      return n == 0 ? *sink : fall(n - 1, sink) + frame[n % 4096];
    }
  };
  *sink = Deep::fall(depth, sink);
}

/// Lane 0 overwrites the source of a copy before it waits for it: what arrives is the new value.
__global__ void late_copy_kernel(float* source, float* out) {
  LIERE_DYNAMIC_SHARED(float, shared);
  for (int i = 0; i < 3; ++i) {
    copy_async(shared + 4 * i, static_cast<const float*>(source + 4 * i));
    copy_async_commit();
  }
  copy_async_wait<2>();
  out[0] = shared[0];
  copy_async_wait<1>();
  out[1] = shared[4];
  source[8] = -1;
  copy_async_wait<0>();
  out[2] = shared[8];
}

template <class Kernel>
int code(Kernel* kernel, dim3 grid, dim3 block, size_t bytes) {
  LIERE_LAUNCH(kernel, grid, block, bytes, nullptr);
  return launch_error();
}

}  // namespace

TEST_CASE("cuda on cpu: every half and bfloat16 survives widening and narrowing") {
  int wrong = 0;
  for (uint32_t bits = 0; bits < 65536; ++bits) {
    const auto own = static_cast<uint16_t>(bits);
    _Float16 half;
    memcpy(&half, &own, sizeof(half));
    const float exact = static_cast<float>(half), found = widen(HalfBits{own}), wide = widen(Bfloat16Bits{own});
    if (exact == exact)
      wrong += memcmp(&exact, &found, sizeof(found)) != 0 || narrow<HalfBits>(found).bits != own;
    else
      wrong += found == found;
    wrong += wide == wide ? narrow<Bfloat16Bits>(wide).bits != own : (narrow<Bfloat16Bits>(wide).bits & 0x7fffu) <= 0x7f80u;
  }
  CHECK(wrong == 0);
}

TEST_CASE("cuda on cpu: fragments of products") {
  check_fragments<HalfBits>();
  check_fragments<Bfloat16Bits>();
}

TEST_CASE("cuda on cpu: load_matrices") {
  std::vector<uint32_t> plain(128), transposed(128);
  LIERE_LAUNCH(matrices_kernel, 1, 32, 32 * 24 * sizeof(uint16_t), nullptr, plain.data(), transposed.data());
  for (uint32_t lane = 0; lane < 32; ++lane)
    for (uint32_t i = 0; i < 4; ++i) {
      const uint32_t row = lane / 4, column = 2 * (lane % 4), first = 100 * i + 8 * row + column, across = 100 * i + 8 * column + row;
      CHECK(plain[lane * 4 + i] == (first | (first + 1) << 16));
      CHECK(transposed[lane * 4 + i] == (across | (across + 8) << 16));
    }
}

TEST_CASE("cuda on cpu: shuffles, also in a race between warps") {
  const auto found = run_schedules(8, [] {
    std::vector<float> values(128);
    std::iota(values.begin(), values.end(), 0.0f);
    LIERE_LAUNCH(lanes_kernel, 1, 128, 0, nullptr, values.data());
    return values;
  });
  std::vector<float> expected(128);
  std::iota(expected.begin(), expected.end(), 0.0f);
  for (int i = 0; i < 3; ++i) {
    const auto x = expected;
    for (size_t thread = 0; thread < 128; ++thread) expected[thread] = x[thread / 32 * 32 + (thread + 1) % 32] + x[thread ^ 4];
  }
  CHECK(found == expected);
}

TEST_CASE("cuda on cpu: every thread of every block runs once") {
  const auto seen = run_schedules(4, [] {
    GuardedArray<uint32_t> counts(1000);
    for (auto& count : counts) count = 0;
    LIERE_LAUNCH(indices_kernel, dim3(3, 2, 2), dim3(5, 3, 2), 0, nullptr, counts.data(), 1000);
    CHECK(counts.intact());
    return std::vector<uint32_t>(counts.begin(), counts.end());
  });
  CHECK(seen == std::vector<uint32_t>(1000, 1));
}

TEST_CASE("cuda on cpu: atomics in shared memory, threads that return early") {
  std::vector<int> values(500), expected(8);
  for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<int>(i * i % 8), ++expected[static_cast<size_t>(values[i])];
  CHECK(run_schedules(4, [&] {
          std::vector<int> sums(8);
          LIERE_LAUNCH(histogram_kernel, 1, 96, 8 * sizeof(int), nullptr, values.data(), 500, sums.data());
          return sums;
        }) == expected);
  const auto turned = run_schedules(4, [] {
    std::vector<int> numbers(80);
    std::iota(numbers.begin(), numbers.end(), 0);
    LIERE_LAUNCH(returning_kernel, 1, 80, 40 * sizeof(int), nullptr, numbers.data());
    return numbers;
  });
  for (int i = 0; i < 80; ++i) CHECK(turned[static_cast<size_t>(i)] == (i < 40 ? 39 - i : i));
}

TEST_CASE("cuda on cpu: copies arrive when they are waited for") {
  std::vector<float> out(3);
  GuardedArray<float> source(12);
  std::iota(source.begin(), source.end(), 0.0f);
  LIERE_LAUNCH(late_copy_kernel, 1, 1, 48, nullptr, source.data(), out.data());
  CHECK(out == std::vector<float>{0, 4, -1});
}

TEST_CASE("cuda on cpu: limits of a launch") {
  constexpr int kValue = 1, kConfiguration = 9;  // cudaErrorInvalidValue, cudaErrorInvalidConfiguration
  CHECK(code(nothing_kernel, 1, 1024, 0) == 0);
  CHECK(code(nothing_kernel, 1, 1025, 0) == kConfiguration);
  CHECK(launch_error() == 0);  // once
  CHECK(code(nothing_kernel, 1, dim3(32, 33), 0) == kConfiguration);
  CHECK(code(nothing_kernel, 1, dim3(1, 1, 65), 0) == kConfiguration);
  CHECK(code(nothing_kernel, 0, 32, 0) == kConfiguration);
  CHECK(code(nothing_kernel, dim3(1, 65536), 32, 0) == kConfiguration);
  CHECK(code(nothing_kernel, 1, 0, 0) == kConfiguration);
  CHECK(code(large_kernel, 1, 1, 101376) == kValue);
  CHECK(allow_shared_memory(large_kernel, 101377) == kValue);
  CHECK(launch_error() == kValue);
  CHECK(allow_shared_memory(large_kernel, 101376) == 0);
  CHECK(code(large_kernel, 1, 1, 101376) == 0);
  CHECK(code(nothing_kernel, 1, 1, 49153) == kValue);  // allowed by kernel
}

TEST_CASE("cuda on cpu: ends of memory") {
  emulator::set_schedule(2);  // the first block first
  const auto touch = [](const GuardedArray<int>& array, int at) { LIERE_LAUNCH(touch_kernel, dim3(1, 2), 1, 0, nullptr, array.data(), at); };
  const GuardedArray<int> behind(12), before(12, Guard::kBefore), odd(13);
  CHECK(failure([&] { touch(behind, 12); }) == "global memory: an access at byte 48 of an array of 48 (block (0, 0, 0), thread 0)");
  CHECK(failure([&] { touch(before, -1); }) == "global memory: an access at byte -4 of an array of 48 (block (0, 0, 0), thread 0)");
  CHECK(failure([&] { touch(behind, 11); }).empty());
  CHECK((behind[11] == 1 && behind[10] == -1 && behind.intact() && before.intact()));
  // Up to the next multiple of 16 bytes a write shows afterwards only.
  CHECK(failure([&] { touch(odd, 13); }).empty());
  CHECK(!odd.intact());
  int* const volatile near_null = reinterpret_cast<int*>(uintptr_t{4});
  CHECK(failure([&] { LIERE_LAUNCH(touch_kernel, 1, 1, 0, nullptr, near_null, 2); }).find("at a null pointer") != std::string::npos);
  const auto shared = [](int at) { LIERE_LAUNCH(shared_touch_kernel, 1, 1, 40, nullptr, at); };
  CHECK(failure([&] { shared(9); }).empty());
  CHECK(failure([&] { shared(10); }) == "shared memory: an access at byte 40 of 40 (block 0, thread 0)");
  CHECK(failure([&] { shared(-1); }) == "shared memory: an access at byte -4 of 40 (block 0, thread 0)");
  CHECK(failure([] { LIERE_LAUNCH(stray_kernel, 1, 1, 40, nullptr, 10); }) == "shared memory: a write at byte 40 of 40 (block 0)");
  volatile int sink = 0;
  CHECK(failure([&] { LIERE_LAUNCH(deep_kernel, 1, 1, 0, nullptr, 1000, &sink); }).find("stack is full") != std::string::npos);
  // After a failure the next launch is as any other.
  CHECK(failure([&] { touch(behind, 3); }).empty());
  CHECK(behind[3] == 1);
  emulator::set_schedule(1);
}

}  // namespace liere
