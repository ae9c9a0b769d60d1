#include "models/initialize.h"

#include "core/rng.h"

namespace liere {
namespace {

/// `fill(key, out, n, first)` writes elements first .. first + n - 1 of the sequence that the key defines.
template <class Fill>
void fill_parameter(const torch::Tensor& parameter, uint64_t seed, const std::string& name, const Fill& fill) {
  if (parameter.is_meta()) return;
  const at::NoGradGuard no_grad;
  const uint64_t key = stream_key(named_seed(seed, name), Purpose::kParameter);
  auto values = at::empty(parameter.sizes(), at::kFloat);
  float* const out = values.data_ptr<float>();
  constexpr int64_t kChunk = 1 << 14;
  at::parallel_for(0, values.numel(), kChunk, [&](int64_t begin, int64_t end) { fill(key, out + begin, end - begin, begin); });
  parameter.copy_(values);
}

}  // namespace

void initialize_uniform(const torch::Tensor& parameter, uint64_t seed, const std::string& name, double low, double high) {
  fill_parameter(parameter, seed, name, [=](uint64_t key, float* out, int64_t n, int64_t first) { fill_uniform(key, out, n, low, high, first); });
}

void initialize_normal(const torch::Tensor& parameter, uint64_t seed, const std::string& name) {
  fill_parameter(parameter, seed, name, [](uint64_t key, float* out, int64_t n, int64_t first) { fill_normal(key, out, n, 0, 1, first); });
}

}  // namespace liere
