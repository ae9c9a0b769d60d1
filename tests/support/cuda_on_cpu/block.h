// The block of threads that the emulation is running (inside tests/support/cuda_on_cpu only): a fibre per thread, which gives the processor to the
// next one where it waits or returns. Stacks and fibres are kept from block to block; a switch costs two dozen instructions.
#pragma once

#include <boost/context/detail/fcontext.hpp>
#include <memory>
#include <vector>

#include "models/kernels/cuda_device.h"
#undef threadIdx
#undef blockIdx
#undef blockDim
#undef gridDim

namespace liere::emulator {

constexpr int kWarp = 32, kMostThreads = 1024;

/// A stack and where its execution stands.
struct Context {
  boost::context::detail::fcontext_t at = nullptr;
  const void* bottom = nullptr;
  size_t size = 0;
  void* fake_stack = nullptr;  // AddressSanitizer's
};

enum class State : uint8_t { kReady, kAtBlock, kAtWarp, kDone };

struct Thread {
  Context context;
  dim3 index;
  State state = State::kReady;
  bool lost = false;  // left by a fault: its fibre is made anew
  Site site;
};

struct Warp {
  uint32_t ready = 0, waiting = 0, alive = 0, all = 0;  // a bit per lane
  uint32_t wave = 0;                                    // how often __syncwarp has ordered its accesses
  unsigned rotation = 0;                                // the order of its lanes
  Word word = Word::kSync;                              // what the waiting lanes are at
  Site site;
};

/// Where the running thread stands, for the records of shared memory.
struct Now {
  int thread = -1;                                 // -1: none runs
  uint32_t epoch = 0, block = 0, first_epoch = 0;  // barriers so far; blocks so far; the epoch at the block's start
};
extern Now now;
extern std::vector<Warp> warps;
inline uint32_t wave_of(int thread) { return warps[static_cast<size_t>(thread / kWarp)].wave; }

/// Every block of a launch that is within the limits (launch.cpp).
void run_blocks(dim3 grid, dim3 block, size_t shared_bytes, const std::function<void()>& kernel);
/// Ends the running thread without unwinding it (a fault: called by the handler of SIGSEGV) and makes the launch throw runtime_error(message).
[[noreturn]] void leave_thread(const std::string& message);
/// Where `address` lies in the gap below the running thread's stack.
bool in_stack_gap(const void* address);
/// " (block 1, thread 7)".
std::string whereabouts();

// shared_memory.cpp
void begin_shared(size_t bytes, int threads);
void end_shared();
/// The running thread is about to wait or to return: what it changed through raw() becomes known.
void end_slice();

// guarded_memory.cpp
/// While one lives, a fault of the running thread ends the launch with a message instead of the program.
class FaultGuard {
 public:
  FaultGuard();
  ~FaultGuard();
  FaultGuard(const FaultGuard&) = delete;

 private:
  struct Before;
  std::unique_ptr<Before> before_;
};

}  // namespace liere::emulator
