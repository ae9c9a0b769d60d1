// Shape legend: n axes, N tokens, G = heads * blocks of a head, b block side, E = b (b - 1) / 2, m = N G matrices.
#include "bench/rotations.h"

#include <ATen/Parallel.h>
#include <torch/torch.h>

#include <functional>
#include <memory>
#include <nlohmann/json.hpp>

#include "core/check.h"
#include "models/initialize.h"
#include "models/kernels/rotation_exp.h"
#include "models/kernels/skew_exp.h"
#include "models/token_grid.h"
#include "train/device.h"

namespace liere {
namespace {

/// What the forms work on: one layer's generators, positions, and a gradient of R.
struct Problem {
  at::Tensor generators_nLHKE, positions_Nn, cotangent_LNHKbb;
  at::Tensor rays;  // ray_table_tensor, on a GPU
  int64_t block;

  Problem(const RotationsBenchConfig& config, int64_t b, const TokenGrid& grid, torch::Device device) : block(b) {
    const int64_t blocks = config.head_dim / b;
    positions_Nn = grid_positions(grid, PositionRule::kSequential, at::kFloat);
    generators_nLHKE = at::empty({positions_Nn.size(1), 1, config.heads, blocks, b * (b - 1) / 2}, at::kFloat);
    initialize_uniform(generators_nLHKE, /*seed=*/0, "generators", 0, config.init_scale);
    cotangent_LNHKbb = at::empty({1, positions_Nn.size(0), config.heads, blocks, b, b}, at::kFloat);
    initialize_normal(cotangent_LNHKbb, /*seed=*/0, "cotangent");
    if (!device.is_cpu()) rays = ray_table_tensor(positions_Nn, device);
    for (auto* x : {&positions_Nn, &generators_nLHKE, &cotangent_LNHKbb}) *x = x->to(device);
  }
  int64_t matrices() const { return cotangent_LNHKbb.numel() / (block * block); }
};

struct Result {
  at::Tensor rotations_LNHKbb, gradient_nLHKE;
};

Result by_path(const Problem& p, RotationPath path, at::ScalarType dtype, const at::Tensor& rays = {}) {
  const auto generators = p.generators_nLHKE.to(dtype), positions = p.positions_Nn.to(dtype);
  const auto r = rotation_exp(generators, positions, p.block, path, {rays, {}});
  return {r, rotation_exp_gradient(generators, positions, at::matmul(p.cotangent_LNHKbb.to(dtype), r.transpose(-2, -1)), path, {rays, r})};
}

/// The CPU's kernels called as rotation_exp calls them, but with or without rays.
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
    const auto index = at::triu_indices(p.block, p.block, 1).to(positions_.device());
    a_nGbb_ = at::zeros({p.generators_nLHKE.size(0), cotangent_.size(1), p.block, p.block}, positions_.options());
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
  const auto norms = [](const at::Tensor& x) { return x.flatten(0, -3).norm(2, {1, 2}); };
  const auto difference = found.rotations_LNHKbb.to(at::kDouble).view_as(exact.rotations_LNHKbb).sub_(exact.rotations_LNHKbb);
  form.error = (norms(difference) / norms(exact.rotations_LNHKbb)).max().item<double>();
  form.gradient_error = ((found.gradient_nLHKE.to(at::kDouble) - exact.gradient_nLHKE).norm() / exact.gradient_nLHKE.norm()).item<double>();
}

/// One way of computing both directions, and its result.
struct Form {
  std::string name;
  std::function<void()> forward, both;
  std::function<Result()> result;
  std::optional<SkewExpWork> work;  // products computed, where they are counted
};

Form path_form(const char* name, const Problem& p, const at::Tensor& x, RotationPath path, const at::Tensor& rays = {}) {
  const auto forward = [&p, path, rays] { return rotation_exp(p.generators_nLHKE, p.positions_Nn, p.block, path, {rays, {}}); };
  return {name, [forward] { forward(); }, [&p, x, path, rays, forward] { rotation_exp_gradient(p.generators_nLHKE, p.positions_Nn, x, path, {rays, forward()}); },
          [&p, path, rays] { return by_path(p, path, at::kFloat, rays); }, {}};
}

Form kernels_form(const char* name, const Problem& p, bool rays) {
  const auto kernels = std::make_shared<Kernels>(p, rays);
  return {name, [kernels] { kernels->forward(); }, [kernels] { kernels->forward(), kernels->backward(); }, [kernels] { return kernels->result(); }, kernels->work()};
}

Form torch_form(const Problem& p) {
  const auto exp = std::make_shared<TorchExp>(p);
  const auto with_gradient = [](auto run) {
    return [run] {
      const at::AutoGradMode grad(true);
      return run();
    };
  };
  return {"torch.matrix_exp", [exp] { exp->forward(); }, with_gradient([exp] { exp->both(); }), with_gradient([exp] { return exp->result(); }), {}};
}

std::vector<Form> forms_of(const Problem& problem, bool with_torch, torch::Device device) {
  std::vector<Form> forms;
  const auto r = rotation_exp(problem.generators_nLHKE, problem.positions_Nn, problem.block);
  const auto x = at::matmul(problem.cotangent_LNHKbb, r.transpose(-2, -1)).contiguous();
  if (device.is_cpu()) {
    forms.push_back(kernels_form("kernels", problem, true));
    forms.push_back(kernels_form("kernels without rays", problem, false));
  } else {
    forms.push_back(path_form("kernels", problem, x, RotationPath::kKernels, problem.rays));
    forms.push_back(path_form("kernels without rays", problem, x, RotationPath::kKernels));
  }
  forms.push_back(path_form("reference", problem, x, RotationPath::kReference));
  if (with_torch) forms.push_back(torch_form(problem));
  return forms;
}

RotationsBenchRow bench_row(const RotationsBenchConfig& config, const FmaPeak& peak, int64_t block, const std::vector<int64_t>& tokens, torch::Device device) {
  const TokenGrid grid{tokens, tokens};
  const Problem problem(config, block, grid, device);
  RotationsBenchRow row;
  row.block = block;
  row.matrices = problem.matrices();
  row.grid = grid_text(tokens);

  const at::NoGradGuard no_grad;
  auto forms = forms_of(problem, config.torch, device);
  std::vector<std::optional<int64_t>> peaks;
  for (auto form = forms.begin(); form != forms.end();) {
    try {
      form->both();  // what libraries keep from their first call on is not counted
      peaks.push_back(peak_bytes_of(form->both, device));
      ++form;
    } catch (const c10::OutOfMemoryError&) {
      row.missing += (row.missing.empty() ? "" : ", ") + form->name;
      form = forms.erase(form);
    }
  }
  std::vector<TimedForm> forward, both;
  for (const auto& form : forms) forward.push_back({form.name, form.forward}), both.push_back({form.name, form.both});
  const auto forward_times = time_in_turn(forward, config.seconds / 3, device), both_times = time_in_turn(both, config.seconds * 2 / 3, device);

  const auto exact = by_path(problem, RotationPath::kReference, at::kDouble);
  for (size_t i = 0; i < forms.size(); ++i) {
    RotationsBenchRow::Form form{forms[i].name, forward_times[i], both_times[i]};
    form.peak_bytes = peaks[i];
    if (const auto& work = forms[i].work) {
      form.forward_share = work->forward / form.forward.median / peak.flop_per_second;
      form.both_share = (work->forward + work->backward) / form.both.median / peak.flop_per_second;
    }
    compare(form, forms[i].result(), exact);
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
  if (config.device == "cpu") torch::set_num_threads(config.threads);
  const auto device = choose_device(config.device, FmaKind::kFp32);
  RotationsBench result{config, peak_of(device, FmaKind::kFp32), device_text(device), {}};
  for (const int64_t block : config.blocks)
    for (const auto& grid : config.grids) result.rows.push_back(bench_row(config, result.peak, block, grid, device));
  return result;
}

std::string describe(const RotationsBench& result) {
  std::string text = "exp of skew-symmetric blocks, " + result.device + ", peak " + formatted("%.0f", result.peak.flop_per_second / 1e9) + " GFLOP/s; time per matrix, median (lowest-highest), " +
                     (result.config.device != "cpu" ? "of the GPU" : result.config.threads == 1 ? "of the processor" : "of the clock") + "\n";
  std::vector<std::vector<std::string>> rows = {
      {"block, grid", "matrices", "form", "forward", "x torch", "peak", "forward + backward", "x torch", "peak", "error of R", "of dA", "MiB"}};
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
                      share(form.both_share), formatted("%.1e", form.error), formatted("%.1e", form.gradient_error),
                      form.peak_bytes ? formatted("%.0f", static_cast<double>(*form.peak_bytes) / (1 << 20)) : ""});
    }
    if (!row.missing.empty()) rows.push_back({"  did not fit into memory: " + row.missing});
  }
  return text + aligned(rows);
}

std::string to_json(const RotationsBench& result) {
  nlohmann::ordered_json json = {{"device", result.device},
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
                              {"gradient_error", form.gradient_error},
                              {"peak_bytes", form.peak_bytes ? nlohmann::ordered_json(*form.peak_bytes) : nlohmann::ordered_json()}});
    }
  return json.dump(1) + "\n";
}

}  // namespace liere
