// Exact arithmetic for rotations, whatever the caller runs under.
#pragma once

#include <torch/torch.h>

namespace liere {

/// As long as it lives: no autograd, no autocast, no TF32.
class FullPrecision {
 public:
  FullPrecision() : before_(at::globalContext().float32MatmulPrecision()), no_autocast_(c10::autocast_dispatch_keyset) {
    if (before_ != at::Float32MatmulPrecision::HIGHEST) at::globalContext().setFloat32MatmulPrecision("highest");
  }
  ~FullPrecision() {
    if (before_ != at::Float32MatmulPrecision::HIGHEST)
      at::globalContext().setFloat32MatmulPrecision(before_ == at::Float32MatmulPrecision::HIGH ? "high" : "medium");
  }
  FullPrecision(const FullPrecision&) = delete;
  FullPrecision& operator=(const FullPrecision&) = delete;

 private:
  at::Float32MatmulPrecision before_;
  at::NoGradGuard no_grad_;
  c10::impl::ExcludeDispatchKeyGuard no_autocast_;
};

}  // namespace liere
