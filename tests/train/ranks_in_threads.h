// Several ranks of a run as threads of the test: they meet through a store in memory and reduce over Gloo's loopback, as processes do.
#pragma once

#include <torch/csrc/distributed/c10d/HashStore.hpp>

#include <cstdlib>
#include <exception>
#include <functional>
#include <thread>
#include <vector>

#include "train/distributed.h"

namespace liere::test {

/// Runs `body` once in each rank; the first exception of the lowest rank comes out.
inline void in_ranks(int64_t size, const std::function<void(Ranks&)>& body, DistributedConfig config = {}) {
  config.timeout = 60;
  // c10d's record of past collectives is one for the whole process and not made for several ranks in it.
  ::setenv("TORCH_FR_BUFFER_SIZE", "0", 1);
  ::setenv("TORCH_NCCL_TRACE_BUFFER_SIZE", "0", 1);
  auto store = c10::make_intrusive<c10d::HashStore>();
  std::vector<std::exception_ptr> errors(static_cast<size_t>(size));
  std::vector<std::thread> threads;
  for (int64_t rank = 0; rank < size; ++rank)
    threads.emplace_back([&, rank] {
      torch::set_num_threads(1);
      try {
        Ranks ranks(rank, size, store, torch::kCPU, config);
        body(ranks);
      } catch (...) {
        errors[static_cast<size_t>(rank)] = std::current_exception();
      }
    });
  for (auto& thread : threads) thread.join();
  for (const auto& error : errors)
    if (error) std::rethrow_exception(error);
}

}  // namespace liere::test
