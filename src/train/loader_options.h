// The loader's options from the configuration: how many workers, and pinned memory on CUDA.
#pragma once

#include <torch/torch.h>

#include "data/loader.h"
#include "train/experiment.h"

namespace liere {

inline LoaderOptions loader_options(const LoaderConfig& config, torch::Device device) {
  LoaderOptions options;
  if (config.workers) options.workers = *config.workers;
  options.prefetch = config.prefetch;
  options.pinned = device.is_cuda();
  return options;
}

}  // namespace liere
