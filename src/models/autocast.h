// Mixed precision as a scope: inside, matrix products run in bf16 from fp32 parameters.
#pragma once

#include <ATen/autocast_mode.h>
#include <torch/torch.h>

namespace liere {

/// Left before backward(). On leaving the outermost scope the cache of cast weights is cleared: stale copies would survive the optimiser step.
class AutocastScope {
 public:
  AutocastScope(torch::DeviceType device, bool enabled)
      : device_(device), enabled_(enabled), was_(at::autocast::is_autocast_enabled(device)), dtype_(at::autocast::get_autocast_dtype(device)) {
    if (!enabled_) return;
    at::autocast::increment_nesting();
    at::autocast::set_autocast_enabled(device_, true);
    at::autocast::set_autocast_dtype(device_, at::kBFloat16);
  }
  ~AutocastScope() {
    if (!enabled_) return;
    if (at::autocast::decrement_nesting() == 0) at::autocast::clear_cache();
    at::autocast::set_autocast_enabled(device_, was_);
    at::autocast::set_autocast_dtype(device_, dtype_);
  }
  AutocastScope(const AutocastScope&) = delete;
  AutocastScope& operator=(const AutocastScope&) = delete;

 private:
  torch::DeviceType device_;
  bool enabled_, was_;
  torch::ScalarType dtype_;
};

}  // namespace liere
