// An exponential moving average of the weights:  e <- d e + (1 - d) w  after every optimiser step that was made (Polyak and Juditsky 1992).
#pragma once

#include <optional>

#include "core/fields.h"

namespace liere {

struct EmaConfig {
  std::optional<double> decay;
  bool warmup = false;
};
template <class V> void fields(V& v, EmaConfig& c) {
  v("decay", c.decay, "keep an exponential moving average of the weights with this decay per step (default: none)", FieldRule{.low = 0, .high = 1, .low_open = true, .high_open = true});
  v("warmup", c.warmup, "decay of step t is at most (1 + t) / (10 + t), so that the start is soon forgotten");
}

}  // namespace liere
