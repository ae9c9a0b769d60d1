// The rate of training steps on constant pictures: the Trainer's own computation (micro_step, rotations, gradient norm, optimiser) without data set,
// loader and run folder. Times are taken per step; the median does not mind what else the machine does now and then.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace liere {

struct StepBench {
  double images_per_second = 0;      // batch / median seconds of a step
  double mean_images_per_second = 0; // all images / all seconds
  double cpu_seconds_per_step = 0;   // user and system time of all threads
  double page_faults_per_step = 0;   // minor
  double peak_mib = 0;               // largest resident size of the process
  int64_t steps = 0, batch = 0, threads = 0, parameters = 0;
  double loss = 0;                   // of the last step
  std::string encoding, precision;
  bool fused = true;
};

/// Trains for about `seconds` after `warmup` steps. `fused` = false: the composed blocks (models/fused_block.h). Throws ConfigError as liere-train does.
StepBench bench_step(const std::string& config, const std::vector<std::string>& overrides, double seconds, int64_t warmup, bool fused);

/// One line for people; the same figures as JSON.
std::string describe(const StepBench& result);
std::string to_json(const StepBench& result);

}  // namespace liere
