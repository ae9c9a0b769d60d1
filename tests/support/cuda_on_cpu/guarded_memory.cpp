#include "support/cuda_on_cpu/guarded_memory.h"

#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstring>
#include <string>

#include "support/cuda_on_cpu/block.h"

namespace liere::emulator {
namespace {

constexpr size_t kPage = 4096, kReach = 16 * kPage;  // kReach: how far from the array an access is still seen
struct Region {
  const unsigned char *begin, *end, *at;
  size_t bytes;
};
std::vector<Region>& regions() {
  static std::vector<Region> all;
  return all;
}

std::string describe(const unsigned char* address) {
  if (in_stack_gap(address)) return "the thread's stack is full: 256 KB";
  for (const auto& region : regions())
    if (address >= region.begin && address < region.end)
      return "global memory: an access at byte " + std::to_string(address - region.at) + " of an array of " + std::to_string(region.bytes);
  char text[32];
  snprintf(text, sizeof(text), "%p", static_cast<const void*>(address));
  const bool null = reinterpret_cast<uintptr_t>(address) < kPage;
  return std::string("global memory: an access at ") + (null ? "a null pointer" : text) + ", which belongs to no array";
}

struct sigaction before;
void on_fault(int, siginfo_t* info, void*) {
  // Outside of a kernel it is not ours: the instruction is tried again under the handler of before.
  if (now.thread < 0)
    sigaction(SIGSEGV, &before, nullptr);
  else
    leave_thread(describe(static_cast<const unsigned char*>(info->si_addr)));
}

}  // namespace

struct FaultGuard::Before {
  stack_t stack;
};
FaultGuard::FaultGuard() : before_(std::make_unique<Before>()) {
  static unsigned char stack[64 << 10];
  stack_t own{};
  own.ss_sp = stack;
  own.ss_size = sizeof(stack);
  sigaltstack(&own, &before_->stack);
  struct sigaction action {};
  action.sa_sigaction = on_fault;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER;  // the handler does not return
  sigaction(SIGSEGV, &action, &before);
}
FaultGuard::~FaultGuard() {
  sigaction(SIGSEGV, &before, nullptr);
  sigaltstack(&before_->stack, nullptr);
}

GuardedBytes::GuardedBytes(size_t bytes, size_t alignment, Guard guard) : pages_((bytes + alignment + kPage - 1) / kPage * kPage), bytes_(bytes) {
  void* space = mmap(nullptr, pages_ + 2 * kReach, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (space == MAP_FAILED) throw std::runtime_error("no memory for a guarded array of " + std::to_string(bytes) + " bytes");
  space_ = static_cast<unsigned char*>(space);
  unsigned char* const first = space_ + kReach;
  mprotect(first, pages_, PROT_READ | PROT_WRITE);
  memset(first, 0xff, pages_);
  at_ = guard == Guard::kBefore ? first : first + pages_ - (bytes + alignment - 1) / alignment * alignment;
  regions().push_back({space_, first + pages_ + kReach, at_, bytes});
}
GuardedBytes::~GuardedBytes() {
  if (!space_) return;
  std::erase_if(regions(), [this](const Region& region) { return region.begin == space_; });
  munmap(space_, pages_ + 2 * kReach);
}
bool GuardedBytes::intact() const {
  const unsigned char* const first = space_ + kReach;
  for (const unsigned char* p = first; p < first + pages_; ++p)
    if ((p < at_ || p >= at_ + bytes_) && *p != 0xff) return false;
  return true;
}

}  // namespace liere::emulator
