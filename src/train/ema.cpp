#include "train/ema.h"

#include <algorithm>

namespace liere {
namespace {

std::vector<torch::Tensor> values_of(const Ema::NamedTensors& weights) {
  std::vector<torch::Tensor> values;
  for (const auto& [name, weight] : weights) values.push_back(weight.detach());
  return values;
}

}  // namespace

Ema::Ema(const EmaConfig& config, const NamedTensors& weights) : config_(config) {
  for (const auto& [name, weight] : weights) {
    names_.push_back(name);
    averages_.push_back(weight.detach().clone());
  }
}

double Ema::decay(int64_t updates) const {
  const auto t = static_cast<double>(updates);
  return config_.warmup ? std::min(*config_.decay, (1 + t) / (10 + t)) : *config_.decay;
}

void Ema::update(const NamedTensors& weights, int64_t updates) {
  const torch::NoGradGuard no_grad;
  at::_foreach_lerp_(averages_, values_of(weights), 1 - decay(updates));
}

void Ema::update_unless(const torch::Tensor& skip, const NamedTensors& weights, const torch::Tensor& updates) {
  const torch::NoGradGuard no_grad;
  // In float64 and in the order of decay(), so that the weight is the same number.
  const auto t = updates.to(torch::kFloat64);
  const auto decay = config_.warmup ? ((1 + t) / (10 + t)).clamp_max(*config_.decay) : at::full({}, *config_.decay, t.options());
  const auto weight = ((1 - decay) * (1 - skip.to(torch::kFloat64))).to(averages_.front().scalar_type());
  at::_foreach_lerp_(averages_, values_of(weights), std::vector<torch::Tensor>(averages_.size(), weight));
}

void Ema::reset(const NamedTensors& weights) {
  const torch::NoGradGuard no_grad;
  at::_foreach_copy_(averages_, values_of(weights));
}

Ema::NamedTensors Ema::state() const {
  NamedTensors state;
  for (size_t i = 0; i < names_.size(); ++i) state.emplace_back("ema." + names_[i], averages_[i]);
  return state;
}

SwappedWeights::SwappedWeights(const Ema::NamedTensors& weights, const std::vector<torch::Tensor>& values) {
  for (size_t i = 0; i < weights.size(); ++i) {
    weights_.push_back(weights[i].second);
    own_.push_back(weights[i].second.detach());
    weights_.back().set_data(values[i]);
  }
}

SwappedWeights::~SwappedWeights() {
  for (size_t i = 0; i < weights_.size(); ++i) weights_[i].set_data(own_[i]);
}

}  // namespace liere
