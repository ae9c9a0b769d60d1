#include "core/parallel.h"

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

namespace liere {

void parallel_for(int64_t count, int64_t workers, const std::function<void(int64_t)>& body) {
  std::atomic<int64_t> next = 0;
  std::atomic<bool> failed = false;
  std::mutex mutex;
  std::exception_ptr error;
  int64_t error_index = 0;
  const auto work = [&] {
    for (int64_t i; !failed && (i = next++) < count;) {
      try {
        body(i);
      } catch (...) {
        const std::lock_guard lock(mutex);
        if (!error || i < error_index) error = std::current_exception(), error_index = i;
        failed = true;
      }
    }
  };
  std::vector<std::jthread> threads;
  for (int64_t i = 1; i < std::min<int64_t>(workers, count); ++i) threads.emplace_back(work);
  work();
  threads.clear();
  if (error) std::rethrow_exception(error);
}

}  // namespace liere
