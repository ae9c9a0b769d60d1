// What a launch may ask for, and the error that one leaves behind.
#include <algorithm>
#include <map>
#include <utility>

#include "support/cuda_on_cpu/block.h"

namespace liere::emulator {
namespace {

constexpr int kInvalidValue = 1, kInvalidConfiguration = 9;  // cudaErrorInvalidValue, cudaErrorInvalidConfiguration
int error_code = 0;

/// Bytes of shared memory by kernel.
std::map<const void*, int>& allowed() {
  static std::map<const void*, int> bytes;
  return bytes;
}

int check_limits(dim3 grid, dim3 block, size_t shared_bytes, size_t most_shared) {
  const uint64_t count = uint64_t{block.x} * block.y * block.z;
  if (count == 0 || count > kMostThreads || block.z > 64) return kInvalidConfiguration;
  if (grid.x == 0 || grid.y == 0 || grid.z == 0 || grid.x > 0x7fffffffu || grid.y > 65535 || grid.z > 65535) return kInvalidConfiguration;
  return shared_bytes > most_shared ? kInvalidValue : 0;
}

void run(dim3 grid, dim3 block, size_t shared_bytes, size_t most_shared, const std::function<void()>& kernel) {
  if (const int code = check_limits(grid, block, shared_bytes, most_shared))
    error_code = code;
  else
    run_blocks(grid, block, shared_bytes, kernel);
}

}  // namespace

void run_grid(dim3 grid, dim3 block, size_t shared_bytes, const std::function<void()>& kernel) {
  run(grid, block, shared_bytes, kMostSharedBytes, kernel);
}

void launch(const void* which, dim3 grid, dim3 block, size_t shared_bytes, const std::function<void()>& kernel) {
  const auto more = allowed().find(which);
  run(grid, block, shared_bytes, more == allowed().end() ? kSharedBytesByDefault : static_cast<size_t>(more->second), kernel);
}

int allow_shared_memory(const void* which, int bytes) {
  if (bytes < 0 || static_cast<size_t>(bytes) > kMostSharedBytes) return error_code = kInvalidValue;
  allowed()[which] = std::max(bytes, static_cast<int>(kSharedBytesByDefault));
  return 0;
}
int take_launch_error() { return std::exchange(error_code, 0); }

}  // namespace liere::emulator
