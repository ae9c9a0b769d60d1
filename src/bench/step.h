// The rate of training steps on constant pictures: the Trainer's own computation (micro_step, rotations, gradient norm, optimiser) without data set,
// loader and run folder. Times are taken per step, on a GPU between its own events while the host runs two steps ahead, as in training; the median does not
// mind what else the machine does now and then.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/machine.h"
#include "train/experiment.h"
#include "train/micro_step.h"

namespace liere {

struct StepBench {
  double images_per_second = 0;      // batch / median seconds of a step
  double mean_images_per_second = 0; // all images / all seconds
  double cpu_seconds_per_step = 0;   // user and system time of all threads
  double exp_seconds_per_step = 0;   // for making the rotations and the generators' gradients: of that processor time, or of the GPU's
  double page_faults_per_step = 0;   // minor
  double peak_mib = 0;               // largest resident size of the process; on a GPU the most memory of tensors
  double model_flop_share = 0;       // of `peak` at images_per_second (core/machine.h); 0: the peak is not known
  double slowest_seconds = 0, fastest_seconds = 0;  // of a step
  FmaPeak peak;
  int64_t steps = 0, batch = 0, threads = 0, parameters = 0;
  double loss = 0;                   // of the last step
  std::string encoding, precision, device;
  std::string grid;                  // tokens
  bool fused = true, reference = false, on_gpu = false;
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
