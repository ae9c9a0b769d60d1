// Starting from the weights of another file: fine-tuning and transfer.
#pragma once

#include <optional>
#include <string>

#include "core/fields.h"

namespace liere {

struct InitConfig {
  std::optional<std::string> checkpoint;
  std::optional<std::string> digest;
};
template <class V> void fields(V& v, InitConfig& c) {
  v("checkpoint", c.checkpoint, "start from these weights: a run folder, a checkpoint or another safetensors file (default: initial values drawn from the seed)", not_identity());
  v("digest", c.digest, "XXH3 of that file: filled in when the run starts, and part of what the run is");
}

}  // namespace liere
