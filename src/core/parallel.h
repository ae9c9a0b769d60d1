// Independent pieces of work on several threads; core/control_group.h says how many processors this process may keep busy.
#pragma once

#include <cstdint>
#include <functional>

namespace liere {

/// body(i) for every i in 0 .. count - 1, each once, on `workers` threads that take the next free i. After an exception no new i is begun; the exception of the
/// smallest i that threw is rethrown when all threads have ended.
void parallel_for(int64_t count, int64_t workers, const std::function<void(int64_t)>& body);

}  // namespace liere
