// One training step of a small model on a device: what the tests of the GPU's code compare with the CPU.
#pragma once

#include <torch/torch.h>

#include <map>
#include <string>

#include "models/autocast.h"
#include "models/vit.h"

namespace liere {

struct StepCase {
  PositionConfig position;
  std::vector<int64_t> input_size = {12, 20};
  int64_t width = 64, heads = 2;
  bool qkv_bias = false, bf16 = false, fused = true, consecutive = false;
  double dropout = 0.1;
  bool step_on_device = false;  // the dropout's step stands in memory
  RotationPath path = RotationPath::kKernels;
};

/// Logits, and the gradient of every parameter, by name, on the CPU.
inline std::map<std::string, torch::Tensor> one_step(const StepCase& c, torch::Device device) {
  VitConfig config;
  config.preset = Preset::kCustom;
  config.input_size = c.input_size;
  config.width = c.width;
  config.depth = 2;
  config.heads = c.heads;
  config.mlp = 96;
  config.qkv_bias = c.qkv_bias;
  config.dropout = c.dropout;
  config.position = c.position;
  config.resolve();
  Vit model(config, 5);
  model->initialize(1);
  model->set_fused(c.fused);
  model->position().set_rotation_path(c.path);
  model->to(device);
  std::vector<int64_t> shape = {6, 3};
  shape.insert(shape.end(), c.input_size.begin(), c.input_size.end());
  const auto input = torch::arange(c10::multiply_integers(shape), torch::kDouble).mul(0.7).add(0.1).pow(1.5).sin().to(torch::kFloat).view(shape).to(device);
  const auto grid = model->grid(c.input_size);
  const auto set = model->position().rotations(grid, true);
  ForwardOptions options;
  options.dropout = DropoutKey{3, 7, c.consecutive ? torch::arange(4, 10, torch::kInt64) : torch::tensor({0, 1, 2, 10, 11, 30}, torch::kInt64)};
  if (c.step_on_device) {
    options.dropout->step_on_device = torch::full({1}, options.dropout->step, torch::TensorOptions().dtype(torch::kInt64).device(device));
    options.dropout->step = 0;
  }
  torch::Tensor logits;
  {
    const AutocastScope autocast(device.type(), c.bf16);
    logits = model->forward(input, set, options);
  }
  torch::cross_entropy_loss(logits.to(torch::kDouble), (torch::arange(6, torch::kLong) % 5).to(device)).backward();
  model->position().accumulate_gradients(set, grid);
  std::map<std::string, torch::Tensor> result = {{"logits", logits.detach().to(torch::kCPU)}};
  for (const auto& [name, weight] : model->named_weights()) result[name] = weight.grad().to(torch::kCPU);
  return result;
}

inline double relative(const torch::Tensor& actual, const torch::Tensor& expected) {
  return (actual.to(torch::kDouble) - expected.to(torch::kDouble)).norm().item<double>() / std::max(expected.to(torch::kDouble).norm().item<double>(), 1e-30);
}

}  // namespace liere
