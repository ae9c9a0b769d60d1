// Blocks, fibres and barriers of the emulation.
#include <sys/mman.h>

#include <bit>
#include <exception>
#include <numeric>

#include "models/kernels/cuda_device.h"
#include "support/cuda_on_cpu/block.h"
#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#endif

namespace liere::emulator {

dim3 thread_index, block_index, block_size, grid_size;
Now now;
std::vector<Warp> warps;

namespace {

constexpr size_t kStack = 256 << 10, kGap = 64 << 10;  // bytes of a thread's stack and of the unreadable gap below it

struct Abandoned {};  // unwinds a thread of a launch that has failed

std::vector<Thread> threads;
std::vector<Letter> letters;
Context home;  // where launches are called from
const std::function<void()>* kernel = nullptr;
std::exception_ptr error;
bool abandon = false;
int alive = 0, at_block = 0;
Site block_site;

uint64_t random_state = 1, style = 1;
uint32_t ready_ranks = 0;  // warps with a lane that can run, by precedence
uint8_t warp_of[kWarp], rank_of[kWarp];

uint32_t draw() {
  uint64_t x = random_state += 0x9e3779b97f4a7c15;
  x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
  x = (x ^ x >> 27) * 0x94d049bb133111eb;
  return static_cast<uint32_t>(x >> 32);
}

void jump(Context& from, Context& to) {
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_start_switch_fiber(&from.fake_stack, to.bottom, to.size);
#endif
  const auto arrival = boost::context::detail::jump_fcontext(to.at, &from);
  static_cast<Context*>(arrival.data)->at = arrival.fctx;
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_finish_switch_fiber(from.fake_stack, nullptr, nullptr);
#endif
}

Thread& running() { return threads[static_cast<size_t>(now.thread)]; }
Warp& own_warp() { return warps[static_cast<size_t>(now.thread / kWarp)]; }

void make_ready(int w, uint32_t lanes) {
  Warp& warp = warps[static_cast<size_t>(w)];
  warp.ready |= lanes;
  warp.rotation = style == 0 || style == 1 ? draw() % kWarp : 0;
  if (lanes) ready_ranks |= 1u << rank_of[w];
}

/// The thread that runs next, null when none can; `now` and threadIdx become its own.
Thread* next() {
  if (ready_ranks == 0) return nullptr;
  int w = now.thread / kWarp;
  if (style != 0 || now.thread < 0 || !(warps[static_cast<size_t>(w)].ready)) {
    const int turn = style == 0 ? static_cast<int>(draw() % kWarp) : 0;
    w = warp_of[(std::countr_zero(std::rotr(ready_ranks, turn)) + turn) % kWarp];
  }
  Warp& warp = warps[static_cast<size_t>(w)];
  const int lane = style == 3 ? kWarp - 1 - std::countl_zero(warp.ready)
                              : (std::countr_zero(std::rotr(warp.ready, static_cast<int>(warp.rotation))) + static_cast<int>(warp.rotation)) % kWarp;
  warp.ready &= ~(1u << lane);
  if (warp.ready == 0) ready_ranks &= ~(1u << rank_of[w]);
  now.thread = w * kWarp + lane;
  thread_index = running().index;
  return &running();
}

/// Gives the processor away until this thread is ready and its turn has come.
void suspend() {
  Thread& self = running();
  Thread* to = next();
  if (to != &self) jump(self.context, to ? to->context : home);
  if (abandon) throw Abandoned();
}

void release_block() {
  at_block = 0;
  ++now.epoch;
  for (size_t w = 0; w < warps.size(); ++w) make_ready(static_cast<int>(w), warps[w].alive);
}

void release_warp(Warp& warp) {
  if (warp.word == Word::kSync) ++warp.wave;  // the others do not order memory
  const uint32_t lanes = std::exchange(warp.waiting, 0);
  make_ready(static_cast<int>(&warp - warps.data()), lanes);
}

std::string named(Word word) {
  switch (word) {
    case Word::kSync:
      return "__syncwarp";
    case Word::kShuffle:
      return "a shuffle";
    case Word::kMma:
      return "mma";
    default:
      return "load_matrices";
  }
}
std::string at(const Site& site) {
  const std::string path = site.file_name();
  return " (" + path.substr(path.rfind('/') + 1) + ", line " + std::to_string(site.line()) + ")";
}
bool differ(const Site& a, const Site& b) {
  return a.line() != b.line() || (a.file_name() != b.file_name() && strcmp(a.file_name(), b.file_name()) != 0);
}
std::string lanes_text(uint32_t lanes) { return std::to_string(std::popcount(lanes)) + " of 32 lanes"; }

void finish() {
  end_slice();
  running().state = State::kDone;
  Warp& warp = own_warp();
  const uint32_t bit = 1u << (now.thread % kWarp);
  warp.alive &= ~bit;
  --alive;
  if (warp.waiting != 0 && warp.word != Word::kSync)
    fail(lanes_text(warp.waiting) + " wait at " + named(warp.word) + at(warp.site) + " and this lane has returned");
  if (warp.waiting != 0 && warp.waiting == warp.alive) release_warp(warp);
  if (alive > 0 && at_block == alive) release_block();
}

[[noreturn]] void body(boost::context::detail::transfer_t arrival) {
  static_cast<Context*>(arrival.data)->at = arrival.fctx;
#if defined(__SANITIZE_ADDRESS__)
  Context& from = *static_cast<Context*>(arrival.data);
  __sanitizer_finish_switch_fiber(nullptr, &from.bottom, &from.size);
#endif
  Thread& self = running();
  for (;;) {
    try {
      if (!abandon) {
        (*kernel)();
        finish();
      }
    } catch (const Abandoned&) {
    } catch (...) {
      error = std::current_exception();
    }
    self.state = State::kDone;
    Thread* to = error || abandon ? nullptr : next();
    jump(self.context, to ? to->context : home);
  }
}

void make_fibre(Thread& thread) {
  if (!thread.context.bottom) {
    void* space = mmap(nullptr, kStack + kGap, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (space == MAP_FAILED) throw std::runtime_error("no memory for the emulation's stacks");
    mprotect(space, kGap, PROT_NONE);
    thread.context.bottom = static_cast<unsigned char*>(space) + kGap;
    thread.context.size = kStack;
  }
#if defined(__SANITIZE_ADDRESS__)
  // The frames of a fibre that a fault or a smaller launch has left were never cleaned up.
  __asan_unpoison_memory_region(static_cast<const unsigned char*>(thread.context.bottom) - kGap, kGap + kStack);
#endif
  // Stacks begin at different places of their pages: at the same one they would fight for the same lines of the cache.
  const size_t used = kStack - static_cast<size_t>(&thread - threads.data()) * 192 % 4096;
  thread.context.at =
      boost::context::detail::make_fcontext(const_cast<unsigned char*>(static_cast<const unsigned char*>(thread.context.bottom)) + used, used, body);
  thread.lost = false;
}

void order_warps() {
  const auto count = static_cast<uint32_t>(warps.size());
  for (uint32_t i = 0; i < count; ++i) warp_of[i] = static_cast<uint8_t>(style == 3 ? count - 1 - i : i);
  if (style < 2)
    for (uint32_t i = count; i > 1; --i) std::swap(warp_of[i - 1], warp_of[draw() % i]);
  for (uint32_t i = 0; i < count; ++i) rank_of[warp_of[i]] = static_cast<uint8_t>(i);
}

[[noreturn]] void report_divergence() {
  std::string text = "divergent barrier: " + std::to_string(at_block) + " of " + std::to_string(threads.size()) + " threads wait at __syncthreads";
  if (at_block) text += at(block_site);
  for (const auto& warp : warps)
    if (warp.waiting)
      text += ", " + lanes_text(warp.waiting) + " of warp " + std::to_string(&warp - warps.data()) + " at " + named(warp.word) + at(warp.site);
  throw std::runtime_error(text + ", " + std::to_string(static_cast<int>(threads.size()) - alive) + " threads have returned" + whereabouts());
}

/// Unwinds what a failed launch has left standing.
void abandon_threads() {
  abandon = true;
  for (size_t i = 0; i < threads.size(); ++i) {
    if (threads[i].lost) make_fibre(threads[i]);
    if (threads[i].state == State::kDone) continue;
    now.thread = static_cast<int>(i);
    jump(home, threads[i].context);
  }
  now.thread = -1;
  abandon = false;
}

void run_block(size_t shared_bytes) {
  const auto count = static_cast<int>(threads.size());
  begin_shared(shared_bytes, count);
  now.first_epoch = ++now.epoch;
  ++now.block;
  alive = count;
  at_block = 0;
  ready_ranks = 0;
  order_warps();
  for (int w = 0; w < static_cast<int>(warps.size()); ++w) {
    Warp& warp = warps[static_cast<size_t>(w)];
    const int lanes = std::min(kWarp, count - w * kWarp);
    warp.all = warp.alive = lanes == kWarp ? ~0u : (1u << lanes) - 1;
    warp.ready = warp.waiting = 0;
    make_ready(w, warp.all);
  }
  for (auto& thread : threads) thread.state = State::kReady;
  if (Thread* first = next()) jump(home, first->context);
  now.thread = -1;
  if (error || alive > 0) {
    abandon_threads();
    if (error) std::rethrow_exception(std::exchange(error, nullptr));
    report_divergence();
  }
  end_shared();
}

}  // namespace

void run_blocks(dim3 grid, dim3 block, size_t shared_bytes, const std::function<void()>& which) {
  if (now.thread >= 0) throw std::runtime_error("a kernel launches a kernel");
  const FaultGuard guard;
  grid_size = grid;
  block_size = block;
  kernel = &which;
  const unsigned count = block.x * block.y * block.z;
  if (threads.capacity() == 0) threads.reserve(kMostThreads), letters.resize(kMostThreads);
  static std::vector<Context> spare;  // of the threads beyond this launch's
  while (threads.size() > count) spare.push_back(threads.back().context), threads.pop_back();
  while (threads.size() < count) {
    threads.emplace_back();
    if (!spare.empty()) threads.back().context = spare.back(), spare.pop_back();
    make_fibre(threads.back());
  }
  warps.resize((count + kWarp - 1) / kWarp);
  for (unsigned i = 0; i < count; ++i) threads[i].index = dim3(i % block.x, i / block.x % block.y, i / (block.x * block.y));
  // Blocks in order, in the reverse order, or from anywhere on in steps that meet all.
  const uint64_t blocks = uint64_t{grid.x} * grid.y * grid.z;
  uint64_t at = style == 3 ? blocks - 1 : 0, step = style == 3 ? blocks - 1 : 1;
  if (style < 2) {
    at = draw() % blocks;
    for (step = draw() % blocks | 1; std::gcd(step, blocks) != 1;) step += 2;
  }
  for (uint64_t i = 0; i < blocks; ++i, at = (at + step) % blocks) {
    block_index = dim3(static_cast<unsigned>(at % grid.x), static_cast<unsigned>(at / grid.x % grid.y), static_cast<unsigned>(at / grid.x / grid.y));
    run_block(shared_bytes);
  }
}

void set_schedule(uint64_t seed) {
  random_state = seed;
  style = seed % 4;
}

void block_barrier(Site where) {
  end_slice();
  if (at_block > 0 && differ(block_site, where))
    fail("divergent barrier: this thread waits at __syncthreads" + at(where) + ", others at __syncthreads" + at(block_site));
  block_site = where;
  running().state = State::kAtBlock;
  if (++at_block == alive) release_block();
  suspend();
}

void meet(Word word, void (*exchange)(Letter*, int), Site where) {
  end_slice();
  Warp& warp = own_warp();
  if (warp.waiting != 0 && (warp.word != word || differ(warp.site, where)))
    fail("divergent barrier: this lane is at " + named(word) + at(where) + ", others of its warp at " + named(warp.word) + at(warp.site));
  if (word != Word::kSync && warp.alive != warp.all) fail(named(word) + at(where) + ": " + lanes_text(warp.all & ~warp.alive) + " have returned");
  warp.word = word;
  warp.site = where;
  warp.waiting |= 1u << (now.thread % kWarp);
  if (warp.waiting == warp.alive) {
    if (exchange) exchange(&letters[static_cast<size_t>(now.thread / kWarp * kWarp)], std::popcount(warp.all));
    release_warp(warp);
  }
  suspend();
}

void warp_barrier(Site where) { meet(Word::kSync, nullptr, where); }
int lane() { return now.thread % kWarp; }
Letter& letter() { return letters[static_cast<size_t>(now.thread)]; }
void* mailbox(int lane) { return letters[static_cast<size_t>(now.thread / kWarp * kWarp + lane)].in; }

std::string whereabouts() {
  std::string block = std::to_string(block_index.x);
  if (grid_size.y > 1 || grid_size.z > 1) block = "(" + block + ", " + std::to_string(block_index.y) + ", " + std::to_string(block_index.z) + ")";
  return " (block " + block + (now.thread < 0 ? "" : ", thread " + std::to_string(now.thread)) + ")";
}
void fail(const std::string& what) { throw std::runtime_error(what + whereabouts()); }

void leave_thread(const std::string& message) {
  error = std::make_exception_ptr(std::runtime_error(message + whereabouts()));
  Thread& self = running();
  self.state = State::kDone;
  self.lost = true;
  jump(self.context, home);
  std::abort();
}
bool in_stack_gap(const void* address) {
  const auto* bottom = static_cast<const unsigned char*>(running().context.bottom);
  return address < bottom && address >= bottom - kGap;
}

}  // namespace liere::emulator
