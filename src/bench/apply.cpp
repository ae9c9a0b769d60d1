// Shape legend: B batch, T = N + 1 tokens with CLS, H heads, d head dimension, K blocks of side b, P pairs.
#include "bench/apply.h"

#include <torch/torch.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "core/check.h"
#include "models/initialize.h"
#include "models/kernels/apply.h"
#include "models/kernels/instruction_set.h"

namespace liere {
namespace {

at::Tensor normal(std::vector<int64_t> shape, const char* name, at::ScalarType dtype) {
  const auto x = at::empty(shape, at::kFloat);
  initialize_normal(x, /*seed=*/0, name);
  return x.to(dtype);
}

/// Orthogonal blocks [N, H, K, b, b] (from a QR decomposition), or cos and sin of angles [N, H, P, 2].
LayerRotations rotations_of(const ApplyBenchConfig& config, int64_t block, int64_t patches, RotationPath path) {
  LayerRotations rotations;
  rotations.path = path;
  if (block == 0) {
    const auto angle = normal({patches, config.heads, config.head_dim / 2}, "angle", at::kFloat);
    rotations.kind = Rotations::Kind::kPairs;
    rotations.value = at::stack({angle.cos(), angle.sin()}, -1);
    rotations.gradient = at::zeros_like(angle);
    return rotations;
  }
  rotations.kind = Rotations::Kind::kBlocks;
  rotations.value =
      std::get<0>(at::linalg_qr(normal({patches, config.heads, config.head_dim / block, block, block}, "matrix", at::kFloat))).contiguous();
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
    full_1HTDD_ = at::eye(dim).expand({1, heads, patches + 1, dim, dim}).contiguous();
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

ApplyBenchRow bench_row(const ApplyBench& bench, int64_t block, int64_t tokens, const std::string& dtype_name) {
  const auto& config = bench.config;
  const auto dtype = dtype_name == "bf16" ? at::kBFloat16 : at::kFloat;
  const at::NoGradGuard no_grad;
  const auto qkv = normal({config.batch, tokens, 3 * config.heads * config.head_dim}, "qkv", dtype),
             d_qkv = normal(qkv.sizes().vec(), "gradient", dtype);
  const auto x = query_key_of(qkv, config.heads), d = query_key_of(d_qkv, config.heads);
  const auto kernels = rotations_of(config, block, tokens - 1, RotationPath::kKernels),
             reference = rotations_of(config, block, tokens - 1, RotationPath::kReference);
  const auto to = fresh(x);

  // In place again and again: rotations keep the length of what they turn, so nothing grows.
  std::vector<TimedForm> forward = {{"kernels", [&] { turn(x, x, kernels); }}, {"reference", [&] { turn(x, to, reference); }}};
  std::vector<TimedForm> backward = {{"", [&] { turn_backward(d, x, d, kernels); }}, {"", [&] { turn_backward(to, x, d, reference); }}};
  std::optional<Released> released;
  // R is repeated for every sample in its backward: only where that fits comfortably.
  const double bytes = 4.0 * static_cast<double>(config.batch * config.heads * tokens * config.head_dim * config.head_dim);
  if (config.released && block != 0 && bytes < 3e9) {
    released.emplace(reference, x, config.head_dim);
    forward.push_back({"released code", [&] { released->forward(); }});
    backward.push_back({"", [&] {
                          const at::AutoGradMode grad(true);
                          released->both();
                        }});
  }
  const auto forward_times = time_in_turn(forward, config.seconds / 2);
  auto backward_times = time_in_turn(backward, config.seconds / 2);
  if (released)  // what autograd times is forward and backward
    for (auto* t : {&backward_times.back().median, &backward_times.back().low, &backward_times.back().high})
      *t = std::max(0.0, *t - forward_times.back().median);

  ApplyBenchRow row{block, tokens, dtype_name, {}};
  for (size_t i = 0; i < forward.size(); ++i) row.forms.push_back({forward[i].name, forward_times[i], backward_times[i]});
  const double entries = 2.0 * static_cast<double>(config.batch * (tokens - 1) * config.heads * config.head_dim),
               width = block == 0 ? 2 : static_cast<double>(block);
  const double element = dtype == at::kBFloat16 ? 2 : 4, matrices = static_cast<double>(kernels.value.numel()) * 4;
  const auto bound = [&](double operations, double memory) {
    return std::max(operations / bench.peak.flop_per_second, memory / bench.copy_bytes_per_second);
  };
  row.forward_bound = bound(2 * width * entries, 2 * element * entries + matrices);
  // Backward: R^T dx' and the sum of outer products; dx' read, x' read, dx written; R read, the gradient read and written.
  row.backward_bound = bound((block == 0 ? 6 : 4 * width) * entries, 3 * element * entries + (block == 0 ? 2 : 3) * matrices);
  return row;
}

}  // namespace

ApplyBench bench_apply(const ApplyBenchConfig& config) {
  for (const int64_t block : config.blocks)
    if (block != 0 && (block < 2 || config.head_dim % block != 0))
      throw ConfigError("--block " + std::to_string(block) + " does not divide the head dimension " + std::to_string(config.head_dim) +
                        "; choose a divisor of at least 2, or 0 for pairs.");
  torch::set_num_threads(config.threads);
  ApplyBench result{config, measure_fma_peak(config.threads, FmaKind::kFp32), 0, name_of(instruction_set()), {}};
  result.copy_bytes_per_second = copy_bandwidth(int64_t{64} << 20) * config.threads;
  for (const int64_t block : config.blocks)
    for (const int64_t tokens : config.tokens)
      for (const auto& dtype : config.dtypes) result.rows.push_back(bench_row(result, block, tokens, dtype));
  return result;
}

std::string describe(const ApplyBench& result) {
  const auto& c = result.config;
  std::string text = "turning queries and keys, " + result.instruction_set + ", " + std::to_string(c.threads) + " thread(s), batch " +
                     std::to_string(c.batch) + ", " + std::to_string(c.heads) + " heads of " + std::to_string(c.head_dim) + "; FMA peak " +
                     formatted("%.0f", result.peak.flop_per_second / 1e9) + " GFLOP/s, copy " +
                     formatted("%.1f", result.copy_bytes_per_second / 1e9) + " GB/s; median (lowest-highest)\n";
  std::vector<std::vector<std::string>> rows = {
      {"block, tokens", "dtype", "form", "forward", "x reference", "of bound", "backward", "x reference", "of bound"}};
  for (const auto& row : result.rows) {
    const auto& reference = row.forms[1];
    for (const auto& form : row.forms) {
      const bool first = &form == &row.forms.front();
      rows.push_back({first ? (row.block == 0 ? "pairs" : std::to_string(row.block)) + ", " + std::to_string(row.tokens) : "", first ? row.dtype : "",
                      form.name, text_of(form.forward), formatted("%.2f", reference.forward.median / form.forward.median),
                      first ? formatted("%.0f %%", 100 * row.forward_bound / form.forward.median) : "", text_of(form.backward),
                      formatted("%.2f", reference.backward.median / form.backward.median),
                      first ? formatted("%.0f %%", 100 * row.backward_bound / form.backward.median) : ""});
    }
  }
  return text + aligned(rows);
}

std::string to_json(const ApplyBench& result) {
  const auto& c = result.config;
  nlohmann::ordered_json json = {{"instruction_set", result.instruction_set},
                                 {"threads", c.threads},
                                 {"batch", c.batch},
                                 {"heads", c.heads},
                                 {"head_dim", c.head_dim},
                                 {"peak_flop_per_second", result.peak.flop_per_second},
                                 {"copy_bytes_per_second", result.copy_bytes_per_second},
                                 {"rows", nlohmann::json::array()}};
  const auto timing = [](const Timing& t, double bound) {
    return nlohmann::ordered_json{
        {"seconds", t.median}, {"lowest", t.low}, {"highest", t.high}, {"rounds", t.rounds}, {"share_of_bound", bound / t.median}};
  };
  for (const auto& row : result.rows)
    for (const auto& form : row.forms)
      json["rows"].push_back({{"block", row.block},
                              {"tokens", row.tokens},
                              {"dtype", row.dtype},
                              {"form", form.name},
                              {"forward", timing(form.forward, row.forward_bound)},
                              {"backward", timing(form.backward, row.backward_bound)}});
  return json.dump(1) + "\n";
}

}  // namespace liere
