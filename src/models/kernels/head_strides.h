// Where the rows of queries, keys and values lie: the layouts that the kernels of attention share.
#pragma once

#include <cstdint>

namespace liere {

/// Where element (sample, head, token, channel) of a tensor lies: base + sample * samples + head * heads + token * tokens + channel, in elements.
struct HeadStrides {
  int64_t samples, heads, tokens;
};

}  // namespace liere
