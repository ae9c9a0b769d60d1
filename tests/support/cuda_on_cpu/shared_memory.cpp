// The records behind shared_memory.h. A cell per two bytes keeps the last write and the reads since the last barrier, told apart by epoch (barriers
// of the block so far) and wave (__syncwarps of the warp so far); numbers grow from launch to launch, so that nothing needs to be cleared.
#include "support/cuda_on_cpu/shared_memory.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstring>

#include "support/cuda_on_cpu/block.h"

namespace liere::emulator {
namespace {

constexpr int16_t kSeveral = -1;
constexpr size_t kGrain = 2, kSharedAlignment = 128, kSharedSpace = 26 * 4096;
static_assert(kSharedSpace >= kMostSharedBytes + kSharedAlignment);

struct Access {
  uint32_t epoch = 0, wave = 0;  // wave: of `warp`
  int16_t warp = 0;              // kSeveral: several warps in this epoch
  int8_t lane = 0;               // kSeveral: several lanes in this wave
  bool atomic = false;
};
struct Cell {
  Access write, read;
  uint32_t lent = 0, flight = 0;  // the block in which raw() gave it away, and in which a copy to it is under way
};
struct Loan {
  const unsigned char* at;
  size_t bytes, kept;  // kept: where the bytes as they were begin in `kept_bytes`
};
struct Copy {
  unsigned char* shared;
  const void* global;
};
struct Copies {
  std::vector<Copy> open;
  std::vector<std::vector<Copy>> groups;
};

unsigned char* begin_ = nullptr;
unsigned char* end_ = nullptr;
std::vector<Cell> cells(kMostSharedBytes / kGrain + 1);
std::vector<Loan> loans;
std::vector<unsigned char> kept_bytes;
std::vector<Copies> copies;

/// 0xff up to the end of the pages, an unreadable page behind.
unsigned char* shared_space_end() {
  static unsigned char* const end = [] {
    void* space = mmap(nullptr, kSharedSpace + 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (space == MAP_FAILED) throw std::runtime_error("no memory for the emulation's shared memory");
    mprotect(static_cast<unsigned char*>(space) + kSharedSpace, 4096, PROT_NONE);
    return static_cast<unsigned char*>(space) + kSharedSpace;
  }();
  return end;
}

std::string place(const Cell& cell) { return "byte " + std::to_string((&cell - cells.data()) * static_cast<ptrdiff_t>(kGrain)); }
[[noreturn]] void race(const Cell& cell, const Access& other, const char* first, const char* second) {
  std::string who = "several threads";
  if (other.warp != kSeveral)
    who = other.lane == kSeveral ? "lanes of warp " + std::to_string(other.warp) : "thread " + std::to_string(other.warp * kWarp + other.lane);
  fail("shared memory: a race at " + place(cell) + ": " + who + " " + first + " it and this thread " + second + " it, with no barrier between");
}

struct Self {
  uint32_t wave;
  int16_t warp;
  int8_t lane;
};
Self self() { return {wave_of(now.thread), static_cast<int16_t>(now.thread / kWarp), static_cast<int8_t>(now.thread % kWarp)}; }

bool clashes(const Access& other, const Self& own) {
  if (other.epoch != now.epoch) return false;
  if (other.warp != own.warp) return true;
  return other.wave == own.wave && other.lane != own.lane;
}
void add(Access& to, const Self& own, bool atomic) {
  if (to.epoch != now.epoch)
    to = {now.epoch, own.wave, own.warp, own.lane, atomic};
  else if (to.warp != own.warp)
    to.warp = kSeveral;
  else if (to.wave != own.wave)
    to.wave = own.wave, to.lane = own.lane;
  else if (to.lane != own.lane)
    to.lane = kSeveral;
}

template <class F>
void each_cell(const void* at, size_t bytes, F f) {
  const auto first = static_cast<size_t>(static_cast<const unsigned char*>(at) - begin_);
  if (bytes < kGrain) return;
  for (size_t i = first / kGrain; i < (first + bytes) / kGrain; ++i) f(cells[i]);
}
void check_flight(const Cell& cell, const char* what) {
  if (cell.flight == now.block)
    fail("shared memory: " + place(cell) + " is " + what + " while a copy_async into it is under way: copy_async_wait and a barrier come first");
}
bool written(const Cell& cell) { return cell.write.epoch >= now.first_epoch || cell.lent == now.block; }

}  // namespace

unsigned char* shared_begin() { return begin_; }
unsigned char* shared_end() { return end_; }

void begin_shared(size_t bytes, int threads) {
  unsigned char* const end = shared_space_end();
  const size_t whole = (bytes + kSharedAlignment - 1) / kSharedAlignment * kSharedAlignment;
  begin_ = end - whole;
  end_ = begin_ + bytes;
  memset(begin_, 0xff, whole);
  loans.clear();
  kept_bytes.clear();
  if (copies.size() < static_cast<size_t>(threads)) copies.resize(static_cast<size_t>(threads));
  for (auto& own : copies) own.open.clear(), own.groups.clear();
}

void end_shared() {
  for (const unsigned char* p = end_; p < shared_space_end(); ++p)
    if (*p != 0xff) fail("shared memory: a write at byte " + std::to_string(p - begin_) + " of " + std::to_string(end_ - begin_));
}

void shared_read(const void* at, size_t bytes, bool whole) {
  const Self own = self();
  each_cell(at, bytes, [&](Cell& cell) {
    check_flight(cell, "read");
    if (clashes(cell.write, own)) race(cell, cell.write, "wrote", "reads");
    if (whole && !written(cell)) fail("shared memory: " + place(cell) + " is read and nobody has written it");
    add(cell.read, own, false);
  });
}

void shared_write(const void* at, size_t bytes) {
  const Self own = self();
  each_cell(at, bytes, [&](Cell& cell) {
    check_flight(cell, "written");
    if (clashes(cell.write, own)) race(cell, cell.write, "wrote", "writes");
    if (clashes(cell.read, own)) race(cell, cell.read, "read", "writes");
    cell.write = {now.epoch, own.wave, own.warp, own.lane, false};
  });
}

void shared_atomic(const void* at, size_t bytes) {
  const Self own = self();
  each_cell(at, bytes, [&](Cell& cell) {
    check_flight(cell, "changed");
    if (!cell.write.atomic && clashes(cell.write, own)) race(cell, cell.write, "wrote", "adds to");
    if (clashes(cell.read, own)) race(cell, cell.read, "read", "adds to");
    if (!written(cell)) fail("shared memory: " + place(cell) + " is added to and nobody has written it");
    const bool own_store = cell.write.epoch == now.epoch && cell.write.wave == own.wave && !cell.write.atomic;
    if (cell.write.atomic)
      add(cell.write, own, true);
    else if (!own_store)
      cell.write = {now.epoch, own.wave, own.warp, own.lane, true};
  });
}

void shared_lend(const void* at, size_t bytes) {
  shared_read(at, bytes, false);
  each_cell(at, bytes, [](Cell& cell) { cell.lent = now.block; });
  const auto* from = static_cast<const unsigned char*>(at);
  loans.push_back({from, bytes, kept_bytes.size()});
  kept_bytes.insert(kept_bytes.end(), from, from + bytes);
}

void end_slice() {
  if (loans.empty()) return;
  // Emptied first: a race ends the launch.
  static std::vector<Loan> ended;
  ended.swap(loans);
  loans.clear();
  for (const auto& loan : ended) {
    const unsigned char* before = kept_bytes.data() + loan.kept;
    if (memcmp(before, loan.at, loan.bytes) == 0) continue;
    for (size_t i = 0; i + kGrain <= loan.bytes; i += kGrain)
      if (memcmp(before + i, loan.at + i, kGrain) != 0) shared_write(loan.at + i, kGrain);
  }
  kept_bytes.clear();
}

void begin_copy(void* shared, const void* global) {
  // The source must be readable even if nobody waits for the copy.
  const auto* from = static_cast<const volatile unsigned char*>(global);
  (void)from[0], (void)from[15];
  shared_write(shared, 16);
  each_cell(shared, 16, [](Cell& cell) { cell.flight = now.block; });
  copies[static_cast<size_t>(now.thread)].open.push_back({static_cast<unsigned char*>(shared), global});
}

void commit_copies() {
  Copies& own = copies[static_cast<size_t>(now.thread)];
  own.groups.push_back(std::move(own.open));
  own.open.clear();
}

void wait_for_copies(int newest) {
  auto& groups = copies[static_cast<size_t>(now.thread)].groups;
  while (groups.size() > static_cast<size_t>(newest)) {
    for (const Copy& copy : groups.front()) {
      each_cell(copy.shared, 16, [](Cell& cell) { cell.flight = 0; });
      shared_write(copy.shared, 16);
      memcpy(copy.shared, copy.global, 16);
    }
    groups.erase(groups.begin());
  }
}

void check_alignment(const void* at, size_t alignment, const char* what) {
  if (reinterpret_cast<uintptr_t>(at) % alignment != 0)
    fail(std::string(what) + ": the address is not a multiple of " + std::to_string(alignment) + " bytes");
}

}  // namespace liere::emulator
