// The rate of training steps on constant pictures: the Trainer's own computation (micro_step, rotations, gradient norm, optimiser) without data set,
// loader and run folder. Times are taken per step; the median does not mind what else the machine does now and then.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "train/experiment.h"
#include "train/micro_step.h"

namespace liere {

struct StepBench {
  double images_per_second = 0;      // batch / median seconds of a step
  double mean_images_per_second = 0; // all images / all seconds
  double cpu_seconds_per_step = 0;   // user and system time of all threads
  double exp_seconds_per_step = 0;   // of them for making the rotations and the generators' gradients
  double page_faults_per_step = 0;   // minor
  double peak_mib = 0;               // largest resident size of the process
  int64_t steps = 0, batch = 0, threads = 0, parameters = 0;
  double loss = 0;                   // of the last step
  std::string encoding, precision;
  bool fused = true, reference = false;
};

struct StepBenchOptions {
  double seconds = 20;
  int64_t warmup = 3;      // steps before the measurement
  bool fused = true;       // false: the composed blocks (models/fused_block.h)
  bool reference = false;  // rotations by compositions of ATen operations
};

/// Trains for about `seconds` after `warmup` steps. Throws ConfigError as liere-train does.
StepBench bench_step(const ExperimentConfig& config, const StepBenchOptions& options);
/// The constant pictures and labels of such a step.
Batch constant_batch(const ExperimentConfig& config);

/// One line for people; the same figures as JSON.
std::string describe(const StepBench& result);
std::string to_json(const StepBench& result);

}  // namespace liere
