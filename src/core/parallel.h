// Independent pieces of work on the processor cores that this process may use.
#pragma once

#include <cstdint>
#include <functional>

namespace liere {

/// Cores that the affinity mask leaves to this process (a job script's or taskset's), at least 1.
int usable_cores();

/// body(i) for every i in 0 .. count - 1, each once, on `workers` threads that take the next free i. After an exception no new i is begun; the exception of the
/// smallest i that threw is rethrown when all threads have ended.
void parallel_for(int64_t count, int workers, const std::function<void(int64_t)>& body);

}  // namespace liere
