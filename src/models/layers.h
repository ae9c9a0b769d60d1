// Linear and LayerNorm on a given device without drawing initial values twice: LibTorch's own modules always draw, on the CPU, from its global
// generator.
#pragma once

#include <torch/torch.h>

#include <string>

namespace liere {

/// y = x W^T + b, weight [out, in].
class LinearImpl : public torch::nn::Module {
 public:
  LinearImpl(int64_t in, int64_t out, bool with_bias, torch::Device device);
  torch::Tensor forward(const torch::Tensor& x) const { return at::linear(x, weight, bias); }
  /// U(+-1/sqrt(in)) for weight and bias; `name` is the module's ("block.0.mlp.fc1").
  void initialize(uint64_t seed, const std::string& name);

  torch::Tensor weight, bias;
};
TORCH_MODULE(Linear);

/// Over the last dimension, biased variance.
class LayerNormImpl : public torch::nn::Module {
 public:
  LayerNormImpl(int64_t width, double eps, torch::Device device);
  torch::Tensor forward(const torch::Tensor& x) const { return at::layer_norm(x, weight.sizes(), weight, bias, eps_); }
  /// Weight 1, bias 0.
  void initialize();
  double eps() const { return eps_; }

  torch::Tensor weight, bias;

 private:
  double eps_;
};
TORCH_MODULE(LayerNorm);

}  // namespace liere
