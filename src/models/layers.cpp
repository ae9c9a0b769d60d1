#include "models/layers.h"

#include <cmath>

#include "models/initialize.h"

namespace liere {

LinearImpl::LinearImpl(int64_t in, int64_t out, bool with_bias, torch::Device device) {
  weight = register_parameter("weight", at::empty({out, in}, at::dtype(at::kFloat).device(device)));
  if (with_bias) bias = register_parameter("bias", at::empty({out}, at::dtype(at::kFloat).device(device)));
}

void LinearImpl::initialize(uint64_t seed, const std::string& name) {
  const double bound = 1 / std::sqrt(static_cast<double>(weight.size(1)));
  initialize_uniform(weight, seed, name + ".weight", -bound, bound);
  if (bias.defined()) initialize_uniform(bias, seed, name + ".bias", -bound, bound);
}

LayerNormImpl::LayerNormImpl(int64_t width, double eps, torch::Device device) : eps_(eps) {
  weight = register_parameter("weight", at::empty({width}, at::dtype(at::kFloat).device(device)));
  bias = register_parameter("bias", at::empty({width}, at::dtype(at::kFloat).device(device)));
}

void LayerNormImpl::initialize() {
  const at::NoGradGuard no_grad;
  weight.fill_(1);
  bias.zero_();
}

}  // namespace liere
