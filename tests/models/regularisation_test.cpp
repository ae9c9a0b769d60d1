// LayerScale, stochastic depth and activation checkpointing of the vision transformer.
#include <map>
#include <set>

#include "models/autocast.h"
#include "models/vit.h"
#include "support/catch.h"

using namespace liere;

namespace {

VitConfig tiny() {
  VitConfig config;
  config.preset = Preset::kCustom;
  config.input_size = {8, 12};
  config.width = 32;
  config.depth = 3;
  config.heads = 2;
  config.mlp = 48;
  config.position = LiereConfig{.block_size = 8};
  return config;
}

Vit make(VitConfig config, torch::Dtype dtype = torch::kDouble) {
  config.resolve();
  Vit model(config, 5);
  model->initialize(1);
  model->to(dtype);
  return model;
}

torch::Tensor pictures(int64_t batch) {
  return torch::arange(batch * 3 * 8 * 12, torch::kDouble).mul(0.7).add(0.1).pow(1.5).sin().view({batch, 3, 8, 12});
}

DropoutKey key(int64_t batch, int64_t step = 7) { return {3, step, torch::arange(batch, torch::kInt64)}; }

torch::Tensor forward(Vit& model, const torch::Tensor& input, const ForwardOptions& options = {}) {
  return model->forward(input, model->position().rotations(model->grid({8, 12}), false), options);
}

/// All gradients of a training pass, by name.
std::map<std::string, torch::Tensor> gradients(Vit& model, const torch::Tensor& input, ForwardOptions options, bool bf16) {
  model->zero_grad();
  options.dropout = key(input.size(0));
  const auto grid = model->grid({8, 12});
  const auto set = model->position().rotations(grid, true);
  torch::Tensor loss;
  {
    AutocastScope autocast(torch::kCPU, bf16);
    loss = torch::cross_entropy_loss(model->forward(input, set, options).to(torch::kDouble), torch::arange(input.size(0), torch::kLong) % 5);
  }
  loss.backward();
  model->position().accumulate_gradients(set, grid);
  std::map<std::string, torch::Tensor> result;
  for (const auto& [name, weight] : model->named_weights()) result[name] = weight.grad().clone();
  result["loss"] = loss.detach();
  return result;
}

}  // namespace

TEST_CASE("LayerScale starts at its value, at 1 it changes nothing, and it learns") {
  auto config = tiny();
  auto plain = make(config);
  config.layer_scale = 1.0;
  auto scaled = make(config);
  CHECK(torch::equal(forward(plain, pictures(3)), forward(scaled, pictures(3))));
  CHECK(scaled->parameter_count() == plain->parameter_count() + 3 * 2 * 32);
  config.layer_scale = 1e-4;
  auto small = make(config);
  int64_t scales = 0;
  const auto learned = gradients(small, pictures(3), {}, false);
  for (const auto& [name, weight] : small->named_weights())
    if (name.find("layer_scale") != std::string::npos) {
      ++scales;
      CHECK(weight.eq(1e-4f).all().item<bool>());
      CHECK(learned.at(name).abs().max().item<double>() > 0);
    }
  CHECK(scales == 6);
  // The branches almost vanish: another function.
  CHECK((forward(small, pictures(3)) - forward(plain, pictures(3))).abs().max().item<double>() > 1e-3);
}

TEST_CASE("stochastic depth leaves out whole branches per sample, by slot, and keeps the mean") {
  auto config = tiny();
  config.dropout = 0;
  auto plain = make(config);
  config.drop_path = 0.5;
  auto deep = make(config);
  const auto input = pictures(1).expand({64, 3, 8, 12}).contiguous();
  CHECK(torch::equal(forward(plain, input), forward(deep, input)));  // evaluation: nothing is left out
  ForwardOptions options;
  options.dropout = key(64);
  const auto out = forward(deep, input, options);
  // 64 equal samples: the first block never drops, the second at 0.25, the third at 0.5, two branches each: at most 16 different outputs, more than one.
  std::set<std::string> outputs;
  for (int64_t row = 0; row < 64; ++row) outputs.insert(c10::str(out[row].slice(0, 0, 2)));
  CHECK(outputs.size() > 4);
  CHECK(outputs.size() <= 16);
  // By slot, not by place in the batch: the second half alone gives the same rows.
  ForwardOptions half;
  half.dropout = DropoutKey{3, 7, torch::arange(32, 64, torch::kInt64)};
  CHECK((forward(deep, input.slice(0, 32), half) - out.slice(0, 32)).abs().max().item<double>() < 1e-12);
  ForwardOptions next;
  next.dropout = key(64, 8);
  CHECK_FALSE(torch::equal(forward(deep, input, next), out));
}

TEST_CASE("activation checkpointing gives the same loss and the same gradients bit for bit, also of the generators, in float64 and in bf16") {
  auto config = tiny();
  config.drop_path = 0.3;
  config.layer_scale = 0.5;
  for (const bool bf16 : {false, true}) {
    auto model = make(config, bf16 ? torch::kFloat : torch::kDouble);
    const auto input = pictures(5).to(bf16 ? torch::kFloat : torch::kDouble);
    ForwardOptions options;
    const auto kept = gradients(model, input, options, bf16);
    options.recompute = true;
    const auto recomputed = gradients(model, input, options, bf16);
    REQUIRE(kept.at("generators").abs().max().item<double>() > 0);
    for (const auto& [name, gradient] : kept) {
      CAPTURE(name, bf16);
      CHECK(torch::equal(gradient, recomputed.at(name)));
    }
  }
}
