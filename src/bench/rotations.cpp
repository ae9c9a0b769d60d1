// Shape legend: n axes, N tokens, G = heads * blocks of a head, b block side, E = b (b - 1) / 2, m = N G matrices.
#include "bench/rotations.h"

#include <ATen/Parallel.h>
#include <torch/torch.h>

#include <nlohmann/json.hpp>

#include "core/check.h"
#include "models/initialize.h"
#include "models/kernels/rotation_exp.h"
#include "models/kernels/skew_exp.h"
#include "models/token_grid.h"

namespace liere {
namespace {

/// What the forms work on: one layer's generators, positions, and a gradient of R.
struct Problem {
  at::Tensor generators_nLHKE, positions_Nn, cotangent_LNHKbb;
  int64_t block;

  Problem(const RotationsBenchConfig& config, int64_t b, const TokenGrid& grid) : block(b) {
    const int64_t blocks = config.head_dim / b;
    positions_Nn = grid_positions(grid, PositionRule::kSequential, at::kFloat);
    generators_nLHKE = at::empty({positions_Nn.size(1), 1, config.heads, blocks, b * (b - 1) / 2}, at::kFloat);
    initialize_uniform(generators_nLHKE, /*seed=*/0, "generators", 0, config.init_scale);
    cotangent_LNHKbb = at::empty({1, positions_Nn.size(0), config.heads, blocks, b, b}, at::kFloat);
    initialize_normal(cotangent_LNHKbb, /*seed=*/0, "cotangent");
  }
  int64_t matrices() const { return cotangent_LNHKbb.numel() / (block * block); }
};

struct Result {
  at::Tensor rotations_LNHKbb, gradient_nLHKE;
};

Result by_path(const Problem& p, RotationPath path, at::ScalarType dtype) {
  const auto generators = p.generators_nLHKE.to(dtype), positions = p.positions_Nn.to(dtype);
  const auto r = rotation_exp(generators, positions, p.block, path);
  return {r, rotation_exp_gradient(generators, positions, at::matmul(p.cotangent_LNHKbb.to(dtype), r.transpose(-2, -1)), path)};
}

/// The kernels called as rotation_exp calls them, but with or without rays.
class Kernels {
 public:
  Kernels(const Problem& p, bool rays) : r_(at::empty_like(p.cotangent_LNHKbb)), gradient_(at::empty_like(p.generators_nLHKE)) {
    const auto& g = p.generators_nLHKE;
    plan_ = {.axes = g.size(0),
             .layers = 1,
             .groups = g.size(2) * g.size(3),
             .tokens = p.positions_Nn.size(0),
             .block = p.block,
             .generators = g.const_data_ptr<float>(),
             .positions = p.positions_Nn.const_data_ptr<float>(),
             .rotations = r_.data_ptr<float>(),
             .gradient = gradient_.data_ptr<float>(),
             .rays = rays};
    forward();
    x_ = at::matmul(p.cotangent_LNHKbb, r_.transpose(-2, -1)).contiguous();
    plan_.x = x_.const_data_ptr<float>();
    backward();
  }
  void forward() const { run(kernels_.forward); }
  void backward() const { run(kernels_.backward); }
  Result result() const { return {r_, gradient_}; }
  SkewExpWork work() const { return skew_exp_work(plan_); }

 private:
  void run(void (*kernel)(const SkewExpPlan<float>&, int64_t, int64_t)) const {
    at::parallel_for(0, kernels_.items(plan_), 1, [&](int64_t begin, int64_t end) { kernel(plan_, begin, end); });
  }
  const SkewExpKernels<float>& kernels_ = skew_exp_kernels<float>();
  at::Tensor r_, gradient_, x_;
  SkewExpPlan<float> plan_{};
};

/// The definition in torch: M = sum_a p_a A_a, R = matrix_exp(M).
class TorchExp {
 public:
  explicit TorchExp(const Problem& p) : positions_(p.positions_Nn), cotangent_(p.cotangent_LNHKbb[0].flatten(1, 2)) {
    const auto index = at::triu_indices(p.block, p.block, 1);
    a_nGbb_ = at::zeros({p.generators_nLHKE.size(0), cotangent_.size(1), p.block, p.block});
    a_nGbb_.index_put_({at::indexing::Slice(), at::indexing::Slice(), index[0], index[1]}, p.generators_nLHKE.flatten(1, 3));
    a_nGbb_ = (a_nGbb_ - a_nGbb_.transpose(2, 3)).set_requires_grad(true);
    upper_ = index[0] * p.block + index[1];
    shape_ = p.generators_nLHKE.sizes().vec();
  }
  at::Tensor forward() const { return at::linalg_matrix_exp(at::einsum("pi,igab->pgab", {positions_, a_nGbb_})); }
  void both() {
    a_nGbb_.mutable_grad() = at::Tensor();
    forward().backward(cotangent_);
  }
  /// R, and dL/dgenerators: the entry above the diagonal less the one below.
  Result result() {
    const auto r = forward().detach().unsqueeze(0);
    both();
    const auto grad = a_nGbb_.grad();
    return {r, (grad - grad.transpose(2, 3)).flatten(2).index_select(2, upper_).view(shape_)};
  }

 private:
  at::Tensor positions_, cotangent_, a_nGbb_, upper_;
  std::vector<int64_t> shape_;
};

void compare(RotationsBenchRow::Form& form, const Result& found, const Result& exact) {
  const auto norms = [](const at::Tensor& x) { return x.to(at::kDouble).flatten(0, -3).norm(2, {1, 2}); };
  const auto difference = found.rotations_LNHKbb.to(at::kDouble).view_as(exact.rotations_LNHKbb) - exact.rotations_LNHKbb;
  form.error = (norms(difference) / norms(exact.rotations_LNHKbb)).max().item<double>();
  form.gradient_error = ((found.gradient_nLHKE.to(at::kDouble) - exact.gradient_nLHKE).norm() / exact.gradient_nLHKE.norm()).item<double>();
}

RotationsBenchRow bench_row(const RotationsBenchConfig& config, const FmaPeak& peak, int64_t block, const std::vector<int64_t>& tokens) {
  const TokenGrid grid{tokens, tokens};
  const Problem problem(config, block, grid);
  RotationsBenchRow row;
  row.block = block;
  row.matrices = problem.matrices();
  row.grid = grid_text(tokens);

  const at::NoGradGuard no_grad;
  const Kernels with_rays(problem, true), without_rays(problem, false);
  const auto x_reference = at::matmul(problem.cotangent_LNHKbb, with_rays.result().rotations_LNHKbb.transpose(-2, -1)).contiguous();
  const auto reference_forward = [&] { rotation_exp(problem.generators_nLHKE, problem.positions_Nn, block, RotationPath::kReference); };
  const auto reference_backward = [&] {
    rotation_exp_gradient(problem.generators_nLHKE, problem.positions_Nn, x_reference, RotationPath::kReference);
  };
  TorchExp torch_exp(problem);

  std::vector<TimedForm> forward = {
      {"kernels", [&] { with_rays.forward(); }}, {"kernels without rays", [&] { without_rays.forward(); }}, {"reference", reference_forward}};
  std::vector<TimedForm> both = {{"", [&] { with_rays.forward(), with_rays.backward(); }},
                                 {"", [&] { without_rays.forward(), without_rays.backward(); }},
                                 {"", [&] { reference_forward(), reference_backward(); }}};
  if (config.torch) {
    forward.push_back({"torch.matrix_exp", [&] { torch_exp.forward(); }});
    both.push_back({"", [&] {
                      const at::AutoGradMode grad(true);
                      torch_exp.both();
                    }});
  }
  const auto forward_times = time_in_turn(forward, config.seconds / 3), both_times = time_in_turn(both, config.seconds * 2 / 3);

  const auto exact = by_path(problem, RotationPath::kReference, at::kDouble);
  for (size_t i = 0; i < forward.size(); ++i) {
    RotationsBenchRow::Form form{forward[i].name, forward_times[i], both_times[i]};
    if (i < 2) {
      const auto work = (i == 0 ? with_rays : without_rays).work();
      form.forward_share = work.forward / form.forward.median / peak.flop_per_second;
      form.both_share = (work.forward + work.backward) / form.both.median / peak.flop_per_second;
      compare(form, (i == 0 ? with_rays : without_rays).result(), exact);
    } else if (i == 2) {
      compare(form, by_path(problem, RotationPath::kReference, at::kFloat), exact);
    } else {
      const at::AutoGradMode grad(true);
      compare(form, torch_exp.result(), exact);
    }
    row.forms.push_back(form);
  }
  return row;
}

}  // namespace

RotationsBench bench_rotations(const RotationsBenchConfig& config) {
  for (const int64_t block : config.blocks)
    if (block < 2 || config.head_dim % block != 0)
      throw ConfigError("--block " + std::to_string(block) + " does not divide the head dimension " + std::to_string(config.head_dim) +
                        "; choose a divisor of at least 2.");
  torch::set_num_threads(config.threads);
  RotationsBench result{config, measure_fma_peak(config.threads, FmaKind::kFp32), name_of(instruction_set()), {}};
  for (const int64_t block : config.blocks)
    for (const auto& grid : config.grids) result.rows.push_back(bench_row(config, result.peak, block, grid));
  return result;
}

std::string describe(const RotationsBench& result) {
  std::string text = "exp of skew-symmetric blocks, " + result.instruction_set + ", " + std::to_string(result.config.threads) + " thread(s), peak " +
                     formatted("%.0f", result.peak.flop_per_second / 1e9) + " GFLOP/s; time per matrix, median (lowest-highest), " +
                     (result.config.threads == 1 ? "of the processor" : "of the clock") + "\n";
  std::vector<std::vector<std::string>> rows = {
      {"block, grid", "matrices", "form", "forward", "x torch", "peak", "forward + backward", "x torch", "peak", "error of R", "of dA"}};
  for (const auto& row : result.rows) {
    const auto& last = row.forms.back();
    const bool torch = last.name == "torch.matrix_exp";
    for (const auto& form : row.forms) {
      const bool first = &form == &row.forms.front();
      const double per = static_cast<double>(row.matrices);
      const auto share = [](double s) { return s > 0 ? formatted("%.0f %%", 100 * s) : ""; };
      rows.push_back({first ? std::to_string(row.block) + ", " + row.grid : "", first ? std::to_string(row.matrices) : "", form.name,
                      text_of(form.forward, per), torch ? formatted("%.1f", last.forward.median / form.forward.median) : "",
                      share(form.forward_share), text_of(form.both, per), torch ? formatted("%.1f", last.both.median / form.both.median) : "",
                      share(form.both_share), formatted("%.1e", form.error), formatted("%.1e", form.gradient_error)});
    }
  }
  return text + aligned(rows);
}

std::string to_json(const RotationsBench& result) {
  nlohmann::ordered_json json = {{"instruction_set", result.instruction_set},
                                 {"threads", result.config.threads},
                                 {"peak_flop_per_second", result.peak.flop_per_second},
                                 {"heads", result.config.heads},
                                 {"head_dim", result.config.head_dim},
                                 {"init_scale", result.config.init_scale},
                                 {"rows", nlohmann::json::array()}};
  const auto timing = [](const Timing& t, double per) {
    return nlohmann::ordered_json{{"seconds_per_matrix", t.median / per}, {"lowest", t.low / per}, {"highest", t.high / per}, {"rounds", t.rounds}};
  };
  for (const auto& row : result.rows)
    for (const auto& form : row.forms) {
      const double per = static_cast<double>(row.matrices);
      json["rows"].push_back({{"block", row.block},
                              {"grid", row.grid},
                              {"matrices", row.matrices},
                              {"form", form.name},
                              {"forward", timing(form.forward, per)},
                              {"forward_and_backward", timing(form.both, per)},
                              {"forward_share_of_peak", form.forward_share},
                              {"share_of_peak", form.both_share},
                              {"error", form.error},
                              {"gradient_error", form.gradient_error}});
    }
  return json.dump(1) + "\n";
}

}  // namespace liere
