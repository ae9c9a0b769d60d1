// Turning queries and keys (kernels/apply.h), timed beside the path of batched matrix products and beside the released code's broadcast product
// matmul([1, H, N, 1, d, d], [B, H, N, d, 1]): per block size, sequence length and dtype.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "bench/timing.h"
#include "core/machine.h"

namespace liere {

struct ApplyBenchConfig {
  std::vector<int64_t> blocks = {0, 4, 8, 16, 32, 64};  // 0: pairs (cos, sin)
  std::vector<int64_t> tokens = {65, 197};              // with CLS
  std::vector<std::string> dtypes = {"fp32", "bf16"};
  int64_t batch = 32, heads = 12, head_dim = 64;
  double seconds = 6;  // per row
  int threads = 1;
  bool released = true;  // time the released code's form too
  std::string device = "cpu";
};

struct ApplyBenchRow {
  int64_t block = 0, tokens = 0;
  std::string dtype;
  struct Form {
    std::string name;  // kernels (in place), reference, released code
    Timing forward, backward;
    std::optional<int64_t> peak_bytes;  // of forward and backward on a GPU, beside what they are given
  };
  std::vector<Form> forms;
  std::string missing;                             // forms that did not fit into memory
  double forward_bytes = 0, backward_bytes = 0;    // that must be read and written
  double forward_bound = 0, backward_bound = 0;    // seconds: the larger of operations / peak and bytes / copy bandwidth
};

struct ApplyBench {
  ApplyBenchConfig config;
  FmaPeak peak, bf16_peak;
  double copy_bytes_per_second = 0;
  std::string device;
  std::vector<ApplyBenchRow> rows;
};

/// Throws ConfigError where a block size does not divide the head dimension.
ApplyBench bench_apply(const ApplyBenchConfig& config);

std::string describe(const ApplyBench& result);
std::string to_json(const ApplyBench& result);

}  // namespace liere
