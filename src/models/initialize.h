// Initial values as a function of (seed, parameter name) alone: the backbone starts the same for every encoding, device and number of ranks.
#pragma once

#include <torch/torch.h>

#include <string>

namespace liere {

/// Fills `parameter` (any device and float dtype; meta is left alone) from U[low, high), the stream named_seed(seed, name); drawn on the CPU in
/// float32.
void initialize_uniform(const torch::Tensor& parameter, uint64_t seed, const std::string& name, double low, double high);
/// The same from N(0, 1).
void initialize_normal(const torch::Tensor& parameter, uint64_t seed, const std::string& name);

}  // namespace liere
