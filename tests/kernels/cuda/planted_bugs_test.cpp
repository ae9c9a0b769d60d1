// What the emulation is trusted for: small kernels as they are really written, each right once and with one fault at a time. The right one passes
// under every schedule; the fault must show, as a message or as a result that is wrong or depends on the schedule.
#include <algorithm>
#include <vector>

#include "models/kernels/cuda_device.h"
#include "support/catch.h"
#include "support/cuda_on_cpu/guarded_memory.h"
#include "support/cuda_on_cpu/schedules.h"

namespace liere {
namespace {

enum class Bug {
  kNone,
  kNoBarrier,        // between writing a tile and reading it
  kNoBarrierAfter,   // between reading a tile and writing it again
  kNoWait,           // for copies
  kFragments,        // two words of a fragment exchanged
  kFragmentColumns,  // the columns of a result exchanged
  kPastShared,       // one row too far in shared memory
  kPastGlobal,       // one tile too far in global memory
  kBeforeGlobal,     // one element before the array
  kAligned,          // rows that load_matrices cannot read
  kRace,             // all warps add to one place
  kDivergent,        // a barrier that some threads never reach
  kTwoBarriers,      // a barrier in each branch
  kReturned,         // a shuffle after some lanes have returned
  kSomeLanes,        // a shuffle that some lanes do not execute
  kUnwritten,        // one element more than was written
  kAtomic,           // floats added in the order in which warps come
  kNoWarpBarrier,    // between lanes of a warp
  kShuffleBarrier,   // a shuffle in its place
};

bool says(const std::string& message, const char* text) { return message.find(text) != std::string::npos; }

constexpr int kSize = 64, kTile = 16, kTiles = kSize / kTile;
constexpr int kPadded = kTile + 8, kPaddedB = kSize + 8;    // elements of a row in shared memory
constexpr int kStage = kSize * kPadded + kTile * kPaddedB;  // elements of a stage
constexpr size_t kProductBytes = 2 * kStage * sizeof(Bfloat16Bits);

template <Bug bug>
LIERE_DEVICE void stage(SharedPointer<Bfloat16Bits> tile, const Bfloat16Bits* a, const Bfloat16Bits* b, int k) {
  constexpr int padded = bug == Bug::kAligned ? kPadded - 4 : kPadded;
  const int i = static_cast<int>(threadIdx.x), past = bug == Bug::kPastShared ? 3 : 0;
  if constexpr (bug == Bug::kAligned)
    for (int e = 0; e < 8; ++e) tile[i / 2 * padded + i % 2 * 8 + e] = a[i / 2 * kSize + k * kTile + i % 2 * 8 + e];
  else
    copy_async(tile + i / 2 * padded + i % 2 * 8, a + i / 2 * kSize + k * kTile + i % 2 * 8);
  copy_async(tile + kSize * kPadded + (i / 8 + past) * kPaddedB + i % 8 * 8, b + (k * kTile + i / 8) * kSize + i % 8 * 8);
}

/// C = A B, all [64, 64]: 4 warps of 16 rows, two stages of 16 columns of A and rows of B.
template <Bug bug>
__global__ void product_kernel(const Bfloat16Bits* a, const Bfloat16Bits* b, float* c) {
  LIERE_DYNAMIC_SHARED(Bfloat16Bits, tiles);
  constexpr int padded = bug == Bug::kAligned ? kPadded - 4 : kPadded;
  const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
  float d[8][4] = {};
  stage<bug>(tiles, a, b, 0);
  copy_async_commit();
  for (int k = 0; k < kTiles; ++k) {
    if (k + 1 < kTiles || bug == Bug::kPastGlobal) stage<bug>(tiles + (k + 1) % 2 * kStage, a, b, k + 1);
    copy_async_commit();
    if (bug != Bug::kNoWait) copy_async_wait<1>();
    if (bug != Bug::kNoBarrier) __syncthreads();
    const SharedPointer<Bfloat16Bits> own = tiles + k % 2 * kStage;
    uint32_t left[4];
    load_matrices(left, own + (warp * 16 + lane % 16) * padded + lane / 16 * 8);
    if (bug == Bug::kFragments) {
      const uint32_t kept = left[1];
      left[1] = left[2];
      left[2] = kept;
    }
    for (int n = 0; n < 4; ++n) {
      uint32_t right[4];
      load_matrices_transposed(right, own + kSize * kPadded + lane % 16 * kPaddedB + n * 16 + lane / 16 * 8);
      const uint32_t first[2] = {right[0], right[1]}, second[2] = {right[2], right[3]};
      mma_bfloat16(d[2 * n], left, first);
      mma_bfloat16(d[2 * n + 1], left, second);
    }
    if (bug != Bug::kNoBarrierAfter) __syncthreads();
  }
  for (int n = 0; n < 8; ++n)
    for (int i = 0; i < 4; ++i) {
      const int row = warp * 16 + lane / 4 + 8 * (i / 2), column = n * 8 + lane % 4 * 2 + (bug == Bug::kFragmentColumns ? 1 - i % 2 : i % 2);
      c[row * kSize + column] = d[n][i];
    }
}

/// The product under every kind of schedule; entries are small integers, so that it is exact.
template <Bug bug>
std::vector<float> product() {
  GuardedArray<Bfloat16Bits> a(kSize * kSize), b(kSize * kSize);
  for (size_t i = 0; i < a.size(); ++i) {
    a[i] = narrow<Bfloat16Bits>(static_cast<float>(static_cast<int>(i * 7 % 19) - 9));
    b[i] = narrow<Bfloat16Bits>(static_cast<float>(static_cast<int>(i * 11 % 17) - 8));
  }
  return run_schedules(8, [&] {
    GuardedArray<float> c(kSize * kSize);
    LIERE_LAUNCH(product_kernel<bug>, 1, 128, kProductBytes, nullptr, a.data(), b.data(), c.data());
    REQUIRE(launch_error() == 0);
    REQUIRE(c.intact());
    return std::vector<float>(c.begin(), c.end());
  });
}
std::vector<float> expected_product() {
  std::vector<float> c(kSize * kSize);
  for (size_t row = 0; row < kSize; ++row)
    for (size_t column = 0; column < kSize; ++column)
      for (size_t k = 0; k < kSize; ++k)
        c[row * kSize + column] +=
            static_cast<float>((static_cast<int>((row * kSize + k) * 7 % 19) - 9) * (static_cast<int>((k * kSize + column) * 11 % 17) - 8));
  return c;
}

/// out[block] = the sum of the block's share of `in` [n].
template <Bug bug>
__global__ void sum_kernel(const float* in, int n, float* out) {
  LIERE_DYNAMIC_SHARED(float, sums);
  const int thread = static_cast<int>(threadIdx.x), warp = thread / 32, warps = static_cast<int>(blockDim.x) / 32;
  float own = 0;
  for (int i = static_cast<int>(blockIdx.x * blockDim.x) + thread; i < n; i += static_cast<int>(gridDim.x * blockDim.x))
    own += in[bug == Bug::kBeforeGlobal ? i - 1 : i];
  if (bug == Bug::kReturned && thread == 77) return;
  if (bug == Bug::kSomeLanes && thread % 32 == 5)
    own += 1;
  else
    own = warp_sum(own);
  if (bug == Bug::kRace) {
    if (thread == 0) sums[0] = 0;
    __syncthreads();
    if (thread % 32 == 0) sums[0] += own;
    __syncthreads();
    if (thread == 0) out[blockIdx.x] = sums[0];
    return;
  }
  if (bug == Bug::kAtomic) {
    if (thread % 32 == 0) atomicAdd(out + blockIdx.x, own);
    return;
  }
  if (thread % 32 == 0) sums[warp] = own;
  if (bug == Bug::kDivergent) {
    if (warp < 3) __syncthreads();
    __syncthreads();
  } else if (bug == Bug::kTwoBarriers) {
    if (warp < 3)
      __syncthreads();
    else
      __syncthreads();
  } else if (bug != Bug::kNoBarrier) {
    __syncthreads();
  }
  if (thread > 0) return;
  float total = 0;
  for (int i = 0; i < warps + (bug == Bug::kPastShared ? 2 : bug == Bug::kUnwritten ? 1 : 0); ++i) total += sums[i];
  out[blockIdx.x] = total;
}

constexpr int kSummands = 1000, kBlocks = 3;
template <Bug bug>
std::vector<float> sum() {
  GuardedArray<float> in(kSummands, bug == Bug::kBeforeGlobal ? Guard::kBefore : Guard::kBehind);
  for (int i = 0; i < kSummands; ++i) in[static_cast<size_t>(i)] = static_cast<float>(i % 3 ? 1 : 1 << (i % 26));
  return run_schedules(8, [&] {
    GuardedArray<float> out(kBlocks);
    std::fill(out.begin(), out.end(), 0.0f);
    LIERE_LAUNCH(sum_kernel<bug>, kBlocks, 128, 5 * sizeof(float), nullptr, in.data(), kSummands, out.data());
    return std::vector<float>(out.begin(), out.end());
  });
}

/// Reverses the 32 numbers of each warp through shared memory.
template <Bug bug>
__global__ void reverse_kernel(float* values) {
  LIERE_DYNAMIC_SHARED(float, shared);
  const int thread = static_cast<int>(threadIdx.x), partner = thread ^ 31;
  raw(shared + thread, 1)[0] = values[thread];
  if (bug == Bug::kShuffleBarrier)
    shuffle(thread, 0);
  else if (bug != Bug::kNoWarpBarrier)
    __syncwarp();
  values[thread] = shared[partner];
}
template <Bug bug>
std::vector<float> reverse() {
  return run_schedules(4, [&] {
    std::vector<float> values(64);
    for (size_t i = 0; i < 64; ++i) values[i] = static_cast<float>(i);
    LIERE_LAUNCH(reverse_kernel<bug>, 1, 64, 64 * sizeof(float), nullptr, values.data());
    return values;
  });
}

}  // namespace

TEST_CASE("planted bugs: a tiled product of fragments") {
  const auto expected = expected_product();
  CHECK(product<Bug::kNone>() == expected);
  CHECK(product<Bug::kFragments>() != expected);
  CHECK(product<Bug::kFragmentColumns>() != expected);
  const auto no_barrier = failure(product<Bug::kNoBarrier>), after = failure(product<Bug::kNoBarrierAfter>), wait = failure(product<Bug::kNoWait>);
  const auto shared = failure(product<Bug::kPastShared>), global = failure(product<Bug::kPastGlobal>), aligned = failure(product<Bug::kAligned>);
  CAPTURE(no_barrier, after, wait, shared, global, aligned);
  CHECK((says(no_barrier, "a copy_async into it is under way") || says(no_barrier, "a race")));
  CHECK((says(after, "a race") || says(after, "a copy_async into it is under way")));
  CHECK(says(wait, "a copy_async into it is under way: copy_async_wait"));
  CHECK(says(shared, "shared memory: an access at byte 10"));
  CHECK(says(shared, " of 10752 (block 0, thread "));
  CHECK(says(global, "global memory: an access at byte "));
  CHECK(says(global, " of an array of 8192 (block 0, thread "));
  CHECK(says(aligned, "the address is not a multiple of 16 bytes"));
}

TEST_CASE("planted bugs: a sum over a block") {
  std::vector<float> expected(kBlocks);
  for (int i = 0; i < kSummands; ++i) expected[static_cast<size_t>(i / 128 % kBlocks)] += static_cast<float>(i % 3 ? 1 : 1 << (i % 26));
  const auto right = sum<Bug::kNone>();
  for (size_t i = 0; i < kBlocks; ++i) CHECK(right[i] == Approx(expected[i]).epsilon(1e-6));
  const auto check = [](const std::string& message, const char* text) {
    INFO(message);
    CHECK(says(message, text));
  };
  check(failure(sum<Bug::kNoBarrier>), "shared memory: ");
  check(failure(sum<Bug::kRace>), "shared memory: a race at byte 0: thread ");
  check(failure(sum<Bug::kPastShared>), "shared memory: byte 16 is read and nobody has written it");
  check(failure(sum<Bug::kUnwritten>), "shared memory: byte 16 is read and nobody has written it");
  check(failure(sum<Bug::kBeforeGlobal>), "global memory: an access at byte -4 of an array of 4000 (block 0, thread 0)");
  check(failure(sum<Bug::kDivergent>), "divergent barrier: this thread waits at __syncthreads (planted_bugs_test.cpp, line ");
  check(failure(sum<Bug::kTwoBarriers>), "divergent barrier: this thread waits at __syncthreads (planted_bugs_test.cpp, line ");
  check(failure(sum<Bug::kReturned>), "returned");
  check(failure(sum<Bug::kSomeLanes>), " of 32 lanes of warp 0 at a shuffle (cuda_device.h, line ");
  check(failure(sum<Bug::kAtomic>), "the result depends on the order of the threads: element ");
}

TEST_CASE("planted bugs: lanes of a warp that read each other's numbers") {
  const auto found = reverse<Bug::kNone>();
  for (size_t i = 0; i < found.size(); ++i) CHECK(found[i] == static_cast<float>(i ^ 31));
  const auto message = failure(reverse<Bug::kNoWarpBarrier>), shuffled = failure(reverse<Bug::kShuffleBarrier>);
  CAPTURE(message, shuffled);
  CHECK((says(message, "a race") || says(message, "nobody has written")));
  CHECK(says(shuffled, "a race"));
}

}  // namespace liere
