// The exponential of skew-symmetric blocks and its gradient (kernels/rotation_exp.h), timed beside its reference and torch.matrix_exp with autograd,
// and compared with float64: per block size and grid, generators as a training begins with them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "bench/timing.h"
#include "core/gnuplot.h"
#include "core/machine.h"

namespace liere {

struct RotationsBenchConfig {
  std::vector<int64_t> blocks = {2, 4, 8, 16, 32, 64};
  std::vector<std::vector<int64_t>> grids = {{8, 8}};
  int64_t heads = 12, head_dim = 64;
  double init_scale = 6.283185307179586;  // generators U[0, init_scale)
  double seconds = 10;                    // per block size and grid
  int threads = 1;
  bool torch = true;  // time torch.matrix_exp too: by far the slowest
  std::string device = "cpu";
};

struct RotationsBenchRow {
  int64_t block = 0, matrices = 0;
  std::string grid;
  struct Form {
    std::string name;                          // kernels, kernels without rays, reference, torch.matrix_exp
    Timing forward, both;                      // seconds of all matrices: forward, forward and backward
    double error = 0;                          // largest |R - R64|_F / |R64|_F of a matrix
    double gradient_error = 0;                 // |dA - dA64| / |dA64| over all generators
    double forward_share = 0, both_share = 0;  // of the FMA peak, by the products computed; 0: not known
    std::optional<int64_t> peak_bytes;           // of forward and backward on a GPU, beside what they are given
  };
  std::vector<Form> forms;
  std::string missing;  // forms that did not fit into memory
};

struct RotationsBench {
  RotationsBenchConfig config;
  FmaPeak peak;
  std::string device;
  std::vector<RotationsBenchRow> rows;
};

/// Throws ConfigError where a block size does not divide the head dimension.
RotationsBench bench_rotations(const RotationsBenchConfig& config);

std::string describe(const RotationsBench& result);
std::string to_json(const RotationsBench& result);
/// Time per matrix over block size, one picture per grid: rotations_8x8.
std::vector<PlotScript> pictures_of(const RotationsBench& result);

}  // namespace liere
