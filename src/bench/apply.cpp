// Shape legend: B batch, T = N + 1 tokens with CLS, H heads, d head dimension, K blocks of side b, P pairs.
#include "bench/apply.h"

#include <torch/torch.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "core/check.h"
#include "models/initialize.h"
#include "models/kernels/apply.h"
#include "train/device.h"

namespace liere {
namespace {

constexpr double kBeyondCaches = 512e6;  // bytes: several times the caches of the largest GPU

at::Tensor normal(std::vector<int64_t> shape, const char* name, at::ScalarType dtype, torch::Device device) {
  const auto x = at::empty(shape, at::kFloat);
  initialize_normal(x, /*seed=*/0, name);
  return x.to(device, dtype);
}

/// Orthogonal blocks [N, H, K, b, b] (from a QR decomposition), or cos and sin of angles [N, H, P, 2].
LayerRotations rotations_of(const ApplyBenchConfig& config, int64_t block, int64_t patches, RotationPath path, torch::Device device) {
  LayerRotations rotations;
  rotations.path = path;
  if (block == 0) {
    const auto angle = normal({patches, config.heads, config.head_dim / 2}, "angle", at::kFloat, device);
    rotations.kind = Rotations::Kind::kPairs;
    rotations.value = at::stack({angle.cos(), angle.sin()}, -1);
    rotations.gradient = at::zeros_like(angle);
    return rotations;
  }
  rotations.kind = Rotations::Kind::kBlocks;
  const auto matrices = normal({patches, config.heads, config.head_dim / block, block, block}, "matrix", at::kFloat, at::kCPU);
  rotations.value = std::get<0>(at::linalg_qr(matrices)).contiguous().to(device);
  rotations.gradient = at::zeros_like(rotations.value);
  return rotations;
}

QueryKey fresh(const QueryKey& like) {
  return {at::empty(like.q_BHTD.sizes(), like.q_BHTD.options()), at::empty(like.k_BHTD.sizes(), like.k_BHTD.options())};
}

/// The released code: R as a full d x d matrix of each token and head (identity for CLS), multiplied with every query and key as a column.
class Released {
 public:
  Released(const LayerRotations& rotations, const QueryKey& x, int64_t dim)
      : q_(x.q_BHTD.contiguous().unsqueeze(-1)), k_(x.k_BHTD.contiguous().unsqueeze(-1)) {
    const int64_t patches = rotations.value.size(0), heads = rotations.value.size(1), blocks = rotations.value.size(2), b = rotations.value.size(3);
    full_1HTDD_ = at::eye(dim, rotations.value.options()).expand({1, heads, patches + 1, dim, dim}).contiguous();
    for (int64_t k = 0; k < blocks; ++k)
      full_1HTDD_[0].narrow(1, 1, patches).narrow(2, k * b, b).narrow(3, k * b, b).copy_(rotations.value.select(2, k).transpose(0, 1));
    full_1HTDD_ = full_1HTDD_.to(x.q_BHTD.scalar_type()).set_requires_grad(true);
    q_.set_requires_grad(true);
    k_.set_requires_grad(true);
  }
  std::pair<at::Tensor, at::Tensor> forward() const { return {at::matmul(full_1HTDD_, q_), at::matmul(full_1HTDD_, k_)}; }
  void both() {
    for (auto* x : {&q_, &k_, &full_1HTDD_}) x->mutable_grad() = at::Tensor();
    const auto [q, k] = forward();
    torch::autograd::backward({q, k}, {at::ones_like(q), at::ones_like(k)});
  }

 private:
  at::Tensor q_, k_, full_1HTDD_;
};

/// The rows of the batch as the fused projection lays them out, in as many copies as it takes to leave a GPU's caches behind; taken in turn.
class Inputs {
 public:
  Inputs(const ApplyBenchConfig& config, int64_t tokens, at::ScalarType dtype, torch::Device device) {
    const auto qkv = normal({config.batch, tokens, 3 * config.heads * config.head_dim}, "qkv", dtype, device),
               d_qkv = normal(qkv.sizes().vec(), "gradient", dtype, device);
    const double bytes = static_cast<double>(qkv.numel() * qkv.element_size());
    const int64_t copies = device.is_cpu() ? 1 : std::max<int64_t>(1, static_cast<int64_t>(std::ceil(kBeyondCaches / bytes)));
    for (int64_t i = 0; i < copies; ++i) {
      x_.push_back(query_key_of(i == 0 ? qkv : qkv.clone(), config.heads));
      d_.push_back(query_key_of(i == 0 ? d_qkv : d_qkv.clone(), config.heads));
    }
  }
  void next() { at_ = (at_ + 1) % x_.size(); }
  const QueryKey& x() const { return x_[at_]; }
  const QueryKey& d() const { return d_[at_]; }

 private:
  std::vector<QueryKey> x_, d_;
  size_t at_ = 0;
};

/// What must be read and written, and the operations, against the peaks.
void add_bounds(ApplyBenchRow& row, const ApplyBench& bench, int64_t matrix_entries) {
  const auto& config = bench.config;
  const bool bf16 = row.dtype == "bf16";
  const double entries = 2.0 * static_cast<double>(config.batch * (row.tokens - 1) * config.heads * config.head_dim),
               width = row.block == 0 ? 2 : static_cast<double>(row.block);
  const double element = bf16 ? 2 : 4, matrices = static_cast<double>(matrix_entries) * 4, peak = (bf16 ? bench.bf16_peak : bench.peak).flop_per_second;
  const auto bound = [&](double operations, double memory) { return std::max(peak > 0 ? operations / peak : 0, memory / bench.copy_bytes_per_second); };
  row.forward_bytes = 2 * element * entries + matrices;
  // Backward: R^T dx' and the sum of outer products; dx' read, x' read, dx written; R read, the gradient read and written.
  row.backward_bytes = 3 * element * entries + (row.block == 0 ? 2 : 3) * matrices;
  row.forward_bound = bound(2 * width * entries, row.forward_bytes);
  row.backward_bound = bound((row.block == 0 ? 6 : 4 * width) * entries, row.backward_bytes);
}

ApplyBenchRow bench_row(const ApplyBench& bench, int64_t block, int64_t tokens, const std::string& dtype_name, torch::Device device) {
  const auto& config = bench.config;
  const auto dtype = dtype_name == "bf16" ? at::kBFloat16 : at::kFloat;
  const at::NoGradGuard no_grad;
  Inputs inputs(config, tokens, dtype, device);
  const auto kernels = rotations_of(config, block, tokens - 1, RotationPath::kKernels, device),
             reference = rotations_of(config, block, tokens - 1, RotationPath::kReference, device);
  const auto to = fresh(inputs.x());

  // In place again and again: rotations keep the length of what they turn, so nothing grows.
  std::vector<TimedForm> forward = {{"kernels", [&] { inputs.next(), turn(inputs.x(), inputs.x(), kernels); }},
                                    {"reference", [&] { inputs.next(), turn(inputs.x(), to, reference); }}};
  std::vector<TimedForm> backward = {{"", [&] { inputs.next(), turn_backward(inputs.d(), inputs.x(), inputs.d(), kernels); }},
                                     {"", [&] { inputs.next(), turn_backward(to, inputs.x(), inputs.d(), reference); }}};
  ApplyBenchRow row{block, tokens, dtype_name, {}};
  std::optional<Released> released;
  // R is repeated for every sample in its backward: only where that fits comfortably.
  const double bytes = 4.0 * static_cast<double>(config.batch * config.heads * tokens * config.head_dim * config.head_dim);
  if (config.released && block != 0 && bytes < (device.is_cpu() ? 3e9 : 12e9)) {
    released.emplace(reference, inputs.x(), config.head_dim);
    forward.push_back({"released code", [&] { released->forward(); }});
    backward.push_back({"", [&] {
                          const at::AutoGradMode grad(true);
                          released->both();
                        }});
  } else if (config.released && block != 0) {
    row.missing = "released code (its backward takes " + formatted("%.0f", bytes / (1 << 30)) + " GiB for a copy of R per sample)";
  }
  std::vector<std::optional<int64_t>> peaks;
  for (size_t i = 0; i < forward.size(); ++i) {
    const auto both = [&] { forward[i].run(), backward[i].run(); };
    both();  // what libraries keep from their first call on is not counted
    peaks.push_back(peak_bytes_of(both, device));
  }
  const auto forward_times = time_in_turn(forward, config.seconds / 2, device);
  auto backward_times = time_in_turn(backward, config.seconds / 2, device);
  if (released)  // what autograd times is forward and backward
    for (auto* t : {&backward_times.back().median, &backward_times.back().low, &backward_times.back().high})
      *t = std::max(0.0, *t - forward_times.back().median);
  for (size_t i = 0; i < forward.size(); ++i) row.forms.push_back({forward[i].name, forward_times[i], backward_times[i], peaks[i]});
  add_bounds(row, bench, kernels.value.numel());
  return row;
}

}  // namespace

ApplyBench bench_apply(const ApplyBenchConfig& config) {
  for (const int64_t block : config.blocks)
    if (block != 0 && (block < 2 || config.head_dim % block != 0))
      throw ConfigError("--block " + std::to_string(block) + " does not divide the head dimension " + std::to_string(config.head_dim) +
                        "; choose a divisor of at least 2, or 0 for pairs.");
  if (config.device == "cpu") torch::set_num_threads(config.threads);
  const auto device = choose_device(config.device, FmaKind::kFp32);
  ApplyBench result{config, peak_of(device, FmaKind::kFp32), {}, 0, device_text(device), {}};
  result.bf16_peak = device.is_cpu() ? result.peak : peak_of(device, FmaKind::kBf16);  // the CPU's kernels bring bf16 to fp32
  result.copy_bytes_per_second = device.is_cpu() ? copy_bandwidth(int64_t{64} << 20) * config.threads : copy_bandwidth(int64_t{1} << 30, device);
  for (const int64_t block : config.blocks)
    for (const int64_t tokens : config.tokens)
      for (const auto& dtype : config.dtypes) result.rows.push_back(bench_row(result, block, tokens, dtype, device));
  return result;
}

std::string describe(const ApplyBench& result) {
  const auto& c = result.config;
  std::string text = "turning queries and keys, " + result.device + ", batch " + std::to_string(c.batch) + ", " + std::to_string(c.heads) + " heads of " +
                     std::to_string(c.head_dim) + "; FMA peak " + formatted("%.0f", result.peak.flop_per_second / 1e9) + " GFLOP/s, copy " +
                     formatted("%.1f", result.copy_bytes_per_second / 1e9) + " GB/s; median (lowest-highest)\n";
  std::vector<std::vector<std::string>> rows = {
      {"block, tokens", "dtype", "form", "forward", "x reference", "of bound", "of copy", "backward", "x reference", "of bound", "of copy", "MiB"}};
  const auto percent = [](double share) { return formatted("%.0f %%", 100 * share); };
  for (const auto& row : result.rows) {
    const auto& reference = row.forms[1];
    for (const auto& form : row.forms) {
      const bool first = &form == &row.forms.front();
      rows.push_back({first ? (row.block == 0 ? "pairs" : std::to_string(row.block)) + ", " + std::to_string(row.tokens) : "", first ? row.dtype : "",
                      form.name, text_of(form.forward), formatted("%.2f", reference.forward.median / form.forward.median),
                      first ? percent(row.forward_bound / form.forward.median) : "",
                      first ? percent(row.forward_bytes / form.forward.median / result.copy_bytes_per_second) : "", text_of(form.backward),
                      formatted("%.2f", reference.backward.median / form.backward.median), first ? percent(row.backward_bound / form.backward.median) : "",
                      first ? percent(row.backward_bytes / form.backward.median / result.copy_bytes_per_second) : "",
                      form.peak_bytes ? formatted("%.0f", static_cast<double>(*form.peak_bytes) / (1 << 20)) : ""});
    }
    if (!row.missing.empty()) rows.push_back({"  left out: " + row.missing});
  }
  return text + aligned(rows);
}

std::string to_json(const ApplyBench& result) {
  const auto& c = result.config;
  nlohmann::ordered_json json = {{"device", result.device},
                                 {"threads", c.threads},
                                 {"batch", c.batch},
                                 {"heads", c.heads},
                                 {"head_dim", c.head_dim},
                                 {"peak_flop_per_second", result.peak.flop_per_second},
                                 {"bf16_peak_flop_per_second", result.bf16_peak.flop_per_second},
                                 {"copy_bytes_per_second", result.copy_bytes_per_second},
                                 {"rows", nlohmann::json::array()}};
  const auto timing = [&result](const Timing& t, double bound, double bytes) {
    return nlohmann::ordered_json{{"seconds", t.median}, {"lowest", t.low},   {"highest", t.high},
                                  {"rounds", t.rounds},  {"bytes", bytes},    {"share_of_bound", bound / t.median},
                                  {"share_of_copy", bytes / t.median / result.copy_bytes_per_second}};
  };
  for (const auto& row : result.rows)
    for (const auto& form : row.forms)
      json["rows"].push_back({{"block", row.block},
                              {"tokens", row.tokens},
                              {"dtype", row.dtype},
                              {"form", form.name},
                              {"forward", timing(form.forward, row.forward_bound, row.forward_bytes)},
                              {"backward", timing(form.backward, row.backward_bound, row.backward_bytes)},
                              {"peak_bytes", form.peak_bytes ? nlohmann::ordered_json(*form.peak_bytes) : nlohmann::ordered_json()}});
  return json.dump(1) + "\n";
}

}  // namespace liere
