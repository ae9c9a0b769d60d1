// The loader's options from the configuration: how many workers, pinned memory on CUDA, and what happens to training samples that cannot be read.
#pragma once

#include <torch/torch.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <utility>
#include <vector>

#include "core/check.h"
#include "core/control_group.h"
#include "core/log.h"
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

/// Those of training: warns of more workers than processors; with loader.bad_samples=skip unreadable samples are replaced from `train_indices`, and each is a warning and a
/// line of `list` (tab-separated: epoch, sample, sample in its place, reason).
inline LoaderOptions training_loader_options(const LoaderConfig& config, torch::Device device, const std::vector<int64_t>& train_indices, std::filesystem::path list) {
  LoaderOptions options = loader_options(config, device);
  if (const int64_t usable = usable_processors(); config.workers && *config.workers > usable)
    log_warning("loader.workers is " + std::to_string(*config.workers) + ", but this process may use " + std::to_string(usable) +
                (usable == 1 ? " processor" : " processors") + " (affinity and control group): more threads than that make loading slower, not faster.");
  if (config.bad_samples != BadSamples::kSkip) return options;
  options.bad_samples.substitutes = std::make_shared<const std::vector<int64_t>>(train_indices);
  options.bad_samples.budget = config.bad_sample_budget;
  options.bad_samples.report = [list = std::move(list)](const BadSample& bad) {
    log_warning("epoch " + std::to_string(bad.epoch) + ": sample " + std::to_string(bad.index) + " cannot be read, sample " + std::to_string(bad.substitute) +
                " takes its place: " + bad.reason);
    std::ofstream out(list, std::ios::app);
    out << bad.epoch << '\t' << bad.index << '\t' << bad.substitute << '\t' << bad.reason << std::endl;
    if (!out) throw Error(ExitCode::kFailure, list.string() + " cannot be written. Free space, or make the run folder writable.");
  };
  return options;
}

}  // namespace liere
