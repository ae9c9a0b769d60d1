// One position encoding on one card: what it costs in parameters, operations, time and memory, and how exact its rotations are.
#pragma once

#include <string>

#include "bench/step.h"
#include "bench/timing.h"

namespace liere {

struct EncodingBench {
  std::string encoding, kind;  // "LieRE_8"; what rotates: none, pairs or blocks
  int64_t parameters = 0, rotation_parameters = 0;
  double multiply_adds = 0;  // of one image's forward pass, as the paper counts them
  Timing rotations;          // making them once
  Timing forward;            // of a batch, with rotations made before
  double forward_peak_mib = 0;
  StepBench step;
  double error = 0, orthogonality = 0;  // largest |R - R64|_F / |R64|_F of a block; max |R^T R - I|; 0 without rotations
  std::string grid;
};

/// `config` with its own position encoding. Throws ConfigError as liere-train does.
EncodingBench bench_encoding(const ExperimentConfig& config, const StepBenchOptions& options);

std::string describe(const EncodingBench& result);
std::string to_json(const EncodingBench& result);

}  // namespace liere
