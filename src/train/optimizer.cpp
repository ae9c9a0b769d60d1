#include "train/optimizer.h"

#include "core/check.h"

namespace liere {

bool is_rotation(const std::string& name) { return name == "generators"; }

bool is_of_encoding(const std::string& name) { return is_rotation(name) || name == "position_embedding"; }

bool is_decayed(const std::string& name, const torch::Tensor& parameter) { return parameter.dim() > 1 && !is_of_encoding(name); }

namespace {

std::vector<torch::Tensor> gradients_of(const NamedTensors& parameters) {
  std::vector<torch::Tensor> gradients;
  for (const auto& [name, parameter] : parameters)
    if (parameter.grad().defined()) gradients.push_back(parameter.grad());
  return gradients;
}

}  // namespace

torch::Tensor global_gradient_norm(const NamedTensors& parameters) {
  torch::NoGradGuard no_grad;
  const auto gradients = gradients_of(parameters);
  if (gradients.empty()) return torch::zeros({});
  return at::linalg_vector_norm(at::stack(at::_foreach_norm(gradients, 2)));
}

void clip_gradients(const NamedTensors& parameters, const torch::Tensor& norm, double limit) {
  torch::NoGradGuard no_grad;
  auto gradients = gradients_of(parameters);
  at::_foreach_mul_(gradients, (limit / (norm + 1e-6)).clamp_max(1.0));
}

Optimizer::Optimizer(const OptimizerConfig& config, NamedTensors parameters) : parameters_(std::move(parameters)) {
  double weight_decay = 0;
  std::visit([&](const auto& c) { base_ = c; }, config);
  decoupled_ = std::holds_alternative<AdamWConfig>(config);
  if (decoupled_) weight_decay = std::get<AdamWConfig>(config).weight_decay;
  groups_ = {Group{weight_decay, 1, {}, {}, {}, {}}, Group{0, 1, {}, {}, {}, {}}, Group{0, base_.encoding_lr_factor, {}, {}, {}, {}}};
  torch::NoGradGuard no_grad;
  for (const auto& [name, parameter] : parameters_) {
    auto& group = groups_[is_of_encoding(name) ? 2 : is_decayed(name, parameter) ? 0 : 1];
    group.parameters.push_back(parameter);
    group.exp_avgs.push_back(torch::zeros_like(parameter));
    group.exp_avg_sqs.push_back(torch::zeros_like(parameter));
    group.steps.push_back(torch::zeros({}, torch::TensorOptions().device(parameter.device())));
    state_.emplace_back("exp_avg." + name, group.exp_avgs.back());
    state_.emplace_back("exp_avg_sq." + name, group.exp_avg_sqs.back());
  }
}

void Optimizer::step(double lr) {
  update(lr, std::nullopt);
  ++updates_;
}

void Optimizer::step_unless(const torch::Tensor& skip, const torch::Tensor& lr) { update(lr, skip); }

torch::Tensor Optimizer::lr_tensor() const {
  const auto device = parameters_.front().second.device();
  return torch::zeros({}, torch::TensorOptions().device(device).dtype(device.is_cpu() ? torch::kFloat64 : torch::kFloat32));
}

const torch::Tensor& Optimizer::updates_on_device() const {
  for (const auto& group : groups_)
    if (!group.steps.empty()) return group.steps.front();
  throw Error(ExitCode::kFailure, "an optimiser without parameters was asked for its updates: this is a defect, please report it.");
}

template <class Lr>
void Optimizer::update(const Lr& lr, const std::optional<torch::Tensor>& skip) {
  torch::NoGradGuard no_grad;
  for (auto& group : groups_) {
    if (group.parameters.empty()) continue;
    std::vector<torch::Tensor> gradients;
    for (const auto& parameter : group.parameters) gradients.push_back(parameter.grad());
    at::_foreach_add_(group.steps, 1);
    const Lr rate = group.lr_factor == 1 ? lr : Lr(lr * group.lr_factor);
    if (decoupled_)
      at::_fused_adamw_(group.parameters, gradients, group.exp_avgs, group.exp_avg_sqs, {}, group.steps, rate, base_.beta1, base_.beta2, group.weight_decay,
                        base_.eps, /*amsgrad=*/false, /*maximize=*/false, /*grad_scale=*/std::nullopt, /*found_inf=*/skip);
    else
      at::_fused_adam_(group.parameters, gradients, group.exp_avgs, group.exp_avg_sqs, {}, group.steps, rate, base_.beta1, base_.beta2, /*weight_decay=*/0.0,
                       base_.eps, /*amsgrad=*/false, /*maximize=*/false, /*grad_scale=*/std::nullopt, /*found_inf=*/skip);
    if (skip) at::_foreach_sub_(group.steps, std::vector<torch::Tensor>(group.steps.size(), *skip));
  }
}

void Optimizer::zero_grad() {
  for (auto& [name, parameter] : parameters_) parameter.mutable_grad().reset();
}

NamedTensors Optimizer::state() const { return state_; }

void Optimizer::set_updates(int64_t updates) {
  torch::NoGradGuard no_grad;
  updates_ = updates;
  for (auto& group : groups_)
    for (auto& step : group.steps) step.fill_(static_cast<double>(updates));
}

}  // namespace liere
