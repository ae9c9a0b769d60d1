// What only a GPU can show: the same masks, rotations and gradients as on the CPU. Skipped, with a line that says so, where there is none.
#include <torch/torch.h>

#include <iostream>

#include "models/dropout.h"
#include "models/vit.h"
#include "support/catch.h"

using namespace liere;

namespace {

bool no_gpu() {
  if (torch::cuda::is_available()) return false;
  std::cout << "skipped: no usable CUDA device\n";
  return true;
}

VitConfig small_model() {
  VitConfig config;
  config.preset = Preset::kCustom;
  config.input_size = {16, 16};
  config.width = 128;
  config.depth = 2;
  config.heads = 2;
  config.mlp = 64;
  config.position = LiereConfig{.block_size = 8};
  config.resolve();
  return config;
}

/// Loss and gradients of one training step on a device.
std::map<std::string, torch::Tensor> gradients_on(torch::Device device) {
  Vit model(small_model(), 10);
  model->initialize(3);
  model->to(device);
  const auto input = torch::linspace(-1, 1, 4 * 3 * 16 * 16).view({4, 3, 16, 16}).to(device);
  const auto grid = model->grid({16, 16});
  const auto rotations = model->position().rotations(grid, true);
  ForwardOptions options;
  options.dropout = DropoutKey{7, 5, torch::arange(4)};
  const auto loss = torch::nn::functional::cross_entropy(model->forward(input, rotations, options), torch::arange(4).to(device));
  loss.backward();
  model->position().accumulate_gradients(rotations, grid);
  std::map<std::string, torch::Tensor> result = {{"loss", loss.detach().cpu()}};
  for (const auto& [name, weight] : model->named_weights()) result[name] = weight.grad().cpu();
  return result;
}

}  // namespace

TEST_CASE("cuda: dropout draws the CPU's masks", "[gpu]") {
  if (no_gpu()) return;
  const DropoutKey key{11, 3, torch::tensor({5, 2, 9}, torch::kInt64)};
  for (const auto dtype : {torch::kFloat, torch::kBFloat16, torch::kDouble}) {
    const auto x = torch::ones({3, 7, 33}, dtype);
    CHECK(torch::equal(counter_dropout(x.cuda(), 0.3, key, 2, DropoutSite::kMlpOut).cpu(), counter_dropout(x, 0.3, key, 2, DropoutSite::kMlpOut)));
  }
}

TEST_CASE("cuda: a training step's loss and gradients are the CPU's to float32", "[gpu]") {
  if (no_gpu()) return;
  const auto cpu = gradients_on(torch::kCPU), cuda = gradients_on(torch::Device(torch::kCUDA, 0));
  for (const auto& [name, expected] : cpu) {
    INFO(name);
    CHECK((cuda.at(name) - expected).norm().item<double>() <= 1e-4 * std::max(expected.norm().item<double>(), 1e-6));
  }
}
