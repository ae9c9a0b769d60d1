#include "models/initialize.h"

#include "core/rng.h"

namespace liere {
namespace {

template <class Draw>
void fill(const torch::Tensor& parameter, uint64_t seed, const std::string& name, const Draw& draw) {
  if (parameter.is_meta()) return;
  const at::NoGradGuard no_grad;
  auto values = at::empty(parameter.sizes(), at::kFloat);
  Rng rng(named_seed(seed, name), Purpose::kParameter);
  float* const out = values.data_ptr<float>();
  for (int64_t i = 0; i < values.numel(); ++i) out[i] = static_cast<float>(draw(rng));
  parameter.copy_(values);
}

}  // namespace

void initialize_uniform(const torch::Tensor& parameter, uint64_t seed, const std::string& name, double low, double high) {
  fill(parameter, seed, name, [=](Rng& rng) { return rng.uniform(low, high); });
}

void initialize_normal(const torch::Tensor& parameter, uint64_t seed, const std::string& name) {
  fill(parameter, seed, name, [](Rng& rng) { return rng.normal(); });
}

}  // namespace liere
