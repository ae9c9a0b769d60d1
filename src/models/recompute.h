// Activation checkpointing (Chen et al. 2016, "Training deep nets with sublinear memory cost"): a part of the network keeps only its input for the
// backward pass, which runs the part a second time. Rotations enter as a captured value, dropout masks come from counters: the second run is the first.
#pragma once

#include <torch/torch.h>

#include <functional>

namespace liere {

/// f(x), differentiable in x and in the parameters f uses: their gradients are added to .grad during the backward pass. Where x needs no gradient or
/// none is recorded this is f(x) alone. `f` must be pure (the same result each time) and own what it captures.
torch::Tensor recompute_in_backward(std::function<torch::Tensor(const torch::Tensor&)> f, const torch::Tensor& x);

}  // namespace liere
