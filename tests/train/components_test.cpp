// Schedule and optimiser against their equations.
#include <torch/torch.h>

#include <cmath>

#include "support/catch.h"
#include "train/optimizer.h"
#include "train/schedule.h"

using namespace liere;

TEST_CASE("cosine per epoch holds the rate within an epoch and follows the equation", "[schedule]") {
  CosineConfig config;
  const Schedule schedule(config, 1e-4, /*steps_per_epoch=*/7, /*train_epochs=*/10);
  for (int64_t step = 0; step < 70; ++step)
    CHECK(schedule.lr(step) == Approx(0.5e-4 * (1 + std::cos(M_PI * static_cast<double>(step / 7) / 10))).epsilon(1e-12));
  CHECK(schedule.lr(0) == 1e-4);
  CHECK(schedule.lr(70) == Approx(0).margin(1e-18));
}

TEST_CASE("cosine per step with warm-up rises linearly, peaks, and ends at the final rate", "[schedule]") {
  CosineConfig config;
  config.unit = ScheduleUnit::kStep;
  config.warmup_epochs = 2;
  config.final_lr = 1e-6;
  const Schedule schedule(config, 1e-3, 10, 12);
  for (int64_t step = 0; step < 20; ++step) CHECK(schedule.lr(step) == Approx(1e-3 * static_cast<double>(step + 1) / 20));
  CHECK(schedule.lr(20) == Approx(1e-3));
  CHECK(schedule.lr(70) == Approx(1e-6 + (1e-3 - 1e-6) / 2));
  CHECK(schedule.lr(120) == Approx(1e-6));
  for (int64_t step = 20; step < 119; ++step) CHECK(schedule.lr(step) > schedule.lr(step + 1));
}

TEST_CASE("the schedule's horizon is schedule.epochs, not the length of the run", "[schedule]") {
  CosineConfig config;
  config.epochs = 200;
  CHECK(Schedule(config, 1.0, 5, 10).lr(49) == Approx(0.5 * (1 + std::cos(M_PI * 9 / 200))));
}

namespace {

NamedTensors two_parameters() {
  torch::manual_seed(1);
  auto matrix = torch::randn({3, 4}, torch::kFloat64).set_requires_grad(true), bias = torch::randn({4}, torch::kFloat64).set_requires_grad(true);
  return {{"matrix.weight", matrix}, {"matrix.bias", bias}};
}

void set_gradients(NamedTensors& parameters, int64_t step) {
  for (auto& [name, parameter] : parameters) parameter.mutable_grad() = torch::sin(parameter.detach() * static_cast<double>(step + 1));
}

}  // namespace

TEST_CASE("Adam and AdamW follow their equations, only matrices decay", "[optimizer]") {
  const bool decoupled = GENERATE(false, true);
  auto parameters = two_parameters();
  OptimizerConfig config = AdamConfig{};
  if (decoupled) config = AdamWConfig{{1e-2, 0.9, 0.99, 1e-8}, 0.1};
  const double b2 = decoupled ? 0.99 : 0.999;
  Optimizer optimizer(config, parameters);
  std::vector<torch::Tensor> w, m, v;
  for (auto& [name, p] : parameters) w.push_back(p.detach().clone()), m.push_back(torch::zeros_like(w.back())), v.push_back(torch::zeros_like(w.back()));
  for (int64_t step = 0; step < 10; ++step) {
    const double lr = 1e-2 / static_cast<double>(step + 1);
    set_gradients(parameters, step);
    for (size_t i = 0; i < w.size(); ++i) {
      const auto g = parameters[i].second.grad();
      if (decoupled && i == 0) w[i] = w[i] * (1 - lr * 0.1);
      m[i] = 0.9 * m[i] + 0.1 * g;
      v[i] = b2 * v[i] + (1 - b2) * g * g;
      w[i] = w[i] - lr / (1 - std::pow(0.9, step + 1)) * m[i] / (v[i].sqrt() / std::sqrt(1 - std::pow(b2, step + 1)) + 1e-8);
    }
    optimizer.step(lr);
    for (size_t i = 0; i < w.size(); ++i) CHECK((parameters[i].second.detach() - w[i]).abs().max().item<double>() < 1e-13);
  }
  CHECK(optimizer.updates() == 10);
}

TEST_CASE("weight decay spares vectors, tokens, tables and generators", "[optimizer]") {
  CHECK(is_decayed("block.0.mlp.fc1.weight", torch::zeros({2, 2})));
  CHECK_FALSE(is_decayed("block.0.mlp.fc1.bias", torch::zeros({2})));
  CHECK_FALSE(is_decayed("cls_token", torch::zeros({2})));
  CHECK_FALSE(is_decayed("position_embedding", torch::zeros({5, 2})));
  CHECK_FALSE(is_decayed("generators", torch::zeros({2, 1, 1, 4, 6})));
}

TEST_CASE("clipping scales to the limit and leaves small gradients alone", "[optimizer]") {
  auto parameters = two_parameters();
  set_gradients(parameters, 0);
  const double norm = global_gradient_norm(parameters).item<double>();
  double squares = 0;
  for (auto& [name, p] : parameters) squares += p.grad().pow(2).sum().item<double>();
  CHECK(norm == Approx(std::sqrt(squares)));
  clip_gradients(parameters, global_gradient_norm(parameters), 2 * norm);
  CHECK(global_gradient_norm(parameters).item<double>() == Approx(norm));
  clip_gradients(parameters, global_gradient_norm(parameters), norm / 4);
  CHECK(global_gradient_norm(parameters).item<double>() == Approx(norm / 4).epsilon(1e-5));
}
