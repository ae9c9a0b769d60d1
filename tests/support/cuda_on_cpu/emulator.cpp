#include <algorithm>
#include <boost/context/fiber.hpp>
#include <boost/context/fixedsize_stack.hpp>
#include <random>
#include <vector>

#include "models/kernels/cuda_device.h"
#undef threadIdx
#undef blockIdx
#undef blockDim
#undef gridDim

namespace liere {
namespace emulator {

dim3 thread_index, block_index, block_size, grid_size;

namespace {

enum class Wait { kNone, kBlock, kWarp };
struct Thread {
  boost::context::fiber self, scheduler;
  Wait waits = Wait::kNone;
  bool done = false;
};
struct alignas(64) Letter {
  unsigned char bytes[64];
};
struct Block {
  std::vector<Thread> threads;
  std::vector<Letter> letters;
  std::vector<Letter> shared;  // aligned storage
  size_t shared_bytes = 0;
  int now = 0;
};
Block block;
std::mt19937_64 order{1};

void wait(Wait what) {
  Thread& thread = block.threads[static_cast<size_t>(block.now)];
  thread.waits = what;
  thread.scheduler = std::move(thread.scheduler).resume();
}

void run_block(const std::function<void()>& kernel) {
  const int count = static_cast<int>(block_size.x * block_size.y * block_size.z);
  block.threads.clear();
  block.threads.resize(static_cast<size_t>(count));
  block.letters.assign(static_cast<size_t>(count), {});
  std::exception_ptr error;
  for (auto& thread : block.threads)
    thread.self = boost::context::fiber(std::allocator_arg, boost::context::fixedsize_stack(128 << 10), [&thread, &kernel, &error](boost::context::fiber&& scheduler) {
      thread.scheduler = std::move(scheduler);
      try {
        kernel();
      } catch (const boost::context::detail::forced_unwind&) {
        throw;
      } catch (...) {
        error = std::current_exception();
      }
      thread.done = true;
      return std::move(thread.scheduler);
    });
  std::vector<int> who(static_cast<size_t>(count));
  for (int i = 0; i < count; ++i) who[static_cast<size_t>(i)] = i;
  for (;;) {
    bool moved = false;
    std::shuffle(who.begin(), who.end(), order);
    for (const int i : who) {
      Thread& thread = block.threads[static_cast<size_t>(i)];
      if (thread.done || thread.waits != Wait::kNone) continue;
      block.now = i;
      const auto n = static_cast<unsigned>(i);
      thread_index = dim3(n % block_size.x, n / block_size.x % block_size.y, n / (block_size.x * block_size.y));
      thread.self = std::move(thread.self).resume();
      moved = true;
      if (error) std::rethrow_exception(error);
    }
    int at_block = 0, done = 0;
    for (int first = 0; first < count; first += 32) {
      const int last = std::min(count, first + 32);
      const auto at_warp = std::count_if(&block.threads[static_cast<size_t>(first)], &block.threads[0] + last, [](const Thread& t) { return t.waits == Wait::kWarp; });
      if (at_warp == last - first) {
        for (int i = first; i < last; ++i) block.threads[static_cast<size_t>(i)].waits = Wait::kNone;
        moved = true;
      }
    }
    for (const auto& thread : block.threads) {
      at_block += thread.waits == Wait::kBlock;
      done += thread.done;
    }
    if (done == count) return;
    if (at_block == count) {
      for (auto& thread : block.threads) thread.waits = Wait::kNone;
      moved = true;
    }
    if (!moved)
      throw std::runtime_error("divergent barrier: " + std::to_string(at_block) + " of " + std::to_string(count) + " threads wait at __syncthreads, " +
                               std::to_string(done) + " have returned");
  }
}

float element(uint32_t word, int half, bool bfloat16) {
  const auto bits = static_cast<uint16_t>(word >> (16 * half));
  return bfloat16 ? widen(Bfloat16Bits{bits}) : widen(HalfBits{bits});
}

void mma(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2], bool bfloat16) {
  uint32_t words[6] = {a[0], a[1], a[2], a[3], b[0], b[1]};
  const int own = lane(), g = own / 4, t = own % 4;
  memcpy(mailbox(own), words, sizeof(words));
  warp_barrier();
  for (int i = 0; i < 4; ++i) {
    const int row = g + 8 * (i / 2), column = 2 * t + i % 2;
    float sum = d[i];
    for (int k = 0; k < 16; ++k) {
      uint32_t left[6], right[6];
      memcpy(left, mailbox(row % 8 * 4 + k % 8 / 2), sizeof(left));
      memcpy(right, mailbox(column * 4 + k % 8 / 2), sizeof(right));
      sum += element(left[row / 8 + 2 * (k / 8)], k % 2, bfloat16) * element(right[4 + k / 8], k % 2, bfloat16);
    }
    d[i] = sum;
  }
  warp_barrier();
}

}  // namespace

void set_schedule(uint64_t seed) { order.seed(seed); }
void block_barrier() { wait(Wait::kBlock); }
void warp_barrier() { wait(Wait::kWarp); }
int lane() { return block.now % 32; }
void* mailbox(int lane) { return block.letters[static_cast<size_t>(block.now / 32 * 32 + lane)].bytes; }
unsigned char* shared_begin() { return block.shared.empty() ? nullptr : block.shared[0].bytes; }
unsigned char* shared_end() { return shared_begin() + block.shared_bytes; }
void fail(const std::string& what) {
  throw std::runtime_error(what + " (block " + std::to_string(block_index.x) + ", thread " + std::to_string(block.now) + ")");
}

void run_grid(dim3 grid, dim3 threads, size_t shared_bytes, const std::function<void()>& kernel) {
  grid_size = grid;
  block_size = threads;
  Letter poison;
  memset(&poison, 0xff, sizeof(poison));
  block.shared_bytes = shared_bytes;
  for (unsigned z = 0; z < grid.z; ++z)
    for (unsigned y = 0; y < grid.y; ++y)
      for (unsigned x = 0; x < grid.x; ++x) {
        block_index = dim3(x, y, z);
        block.shared.assign((shared_bytes + 63) / 64, poison);
        run_block(kernel);
      }
}

void load_matrices(uint32_t (&r)[4], const void* row, bool transposed) {
  const int own = lane();
  memcpy(mailbox(own), row, 16);
  warp_barrier();
  for (int i = 0; i < 4; ++i) {
    uint16_t pair[2];
    for (int k = 0; k < 2; ++k) {
      uint16_t of_row[8];
      const int line = transposed ? 2 * (own % 4) + k : own / 4, place = transposed ? own / 4 : 2 * (own % 4) + k;
      memcpy(of_row, mailbox(8 * i + line), sizeof(of_row));
      pair[k] = of_row[place];
    }
    memcpy(&r[i], pair, 4);
  }
  warp_barrier();
}

}  // namespace emulator

void mma_half(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) { emulator::mma(d, a, b, false); }
void mma_bfloat16(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) { emulator::mma(d, a, b, true); }

}  // namespace liere
