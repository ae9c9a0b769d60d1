// counter_dropout for autograd: dispatch over types and devices; the backward applies the same mask to the gradient.
#include <ATen/Parallel.h>

#include <cmath>

#include "core/check.h"
#include "models/dropout.h"
#include "models/kernels/device_dispatch.h"
#include "models/kernels/dropout.h"

namespace liere {
namespace {

template <class T>
const T* read_pointer(const torch::Tensor& x) {
  return static_cast<const T*>(x.const_data_ptr());
}
template <class T>
T* write_pointer(torch::Tensor& x) {
  return static_cast<T*>(x.mutable_data_ptr());
}

template <class T>
void apply_cpu(const DropoutParams& params, const torch::Tensor& x, torch::Tensor& y) {
  constexpr int64_t kGrain = 16;  // segments: about 15 microseconds of work
  const T* in = read_pointer<T>(x);
  T* out = write_pointer<T>(y);
  at::parallel_for(0, params.rows * dropout_segments_per_row(params), kGrain,
                   [&](int64_t begin, int64_t end) { dropout_cpu(params, in, out, begin, end); });
}

int launch(const DeviceDropoutKernels& kernels, const DropoutParams& params, const float* in, float* out, void* stream) { return kernels.float32(params, in, out, stream); }
int launch(const DeviceDropoutKernels& kernels, const DropoutParams& params, const double* in, double* out, void* stream) { return kernels.float64(params, in, out, stream); }
int launch(const DeviceDropoutKernels& kernels, const DropoutParams& params, const Bfloat16Bits* in, Bfloat16Bits* out, void* stream) { return kernels.bfloat16(params, in, out, stream); }

template <class T>
void apply(const DropoutParams& params, const torch::Tensor& x, torch::Tensor& y) {
  if (const auto* kernels = device_kernels(x)) {
    const c10::DeviceGuard guard(x.device());
    return check_launch(launch(kernels->dropout, params, read_pointer<T>(x), write_pointer<T>(y), stream_of(x)), "dropout");
  }
  if (!x.is_cpu()) throw DeviceError("dropout: the tensor is on " + x.device().str() + " but this program was built without CUDA; build it with the preset cuda.");
  apply_cpu<T>(params, x, y);
}

// What the mask depends on, as autograd keeps it.
struct Mask {
  double p;
  DropoutKey key;
  int64_t site;  // layer * 8 + DropoutSite
};

DropoutParams make_params(const torch::Tensor& x, const Mask& mask) {
  DropoutParams params;
  params.rows = x.size(0);
  params.row_elements = x.numel() / x.size(0);
  params.first_slot = mask.key.slots_B.const_data_ptr<int64_t>()[0];
  params.step = static_cast<uint32_t>(mask.key.step);
  if (mask.key.step_on_device.defined()) params.device_step = mask.key.step_on_device.const_data_ptr<int64_t>();
  params.site = static_cast<uint32_t>(mask.site);
  params.key = stream_key(mask.key.seed, Purpose::kDropout);
  params.threshold = static_cast<uint32_t>(std::ceil(mask.p * 0x1p32));
  params.scale = 1.0 / (1.0 - mask.p);
  return params;
}

torch::Tensor apply_mask(const torch::Tensor& input, const Mask& mask) {
  const torch::Tensor x = input.contiguous();
  torch::Tensor y = torch::empty_like(x);
  if (x.numel() == 0) return y;
  DropoutParams params = make_params(x, mask);
  torch::Tensor slots_B;  // kept alive until the kernel is queued
  if (!mask.key.has_consecutive_slots()) {
    slots_B = mask.key.slots_B.to(x.device());
    params.slots = slots_B.const_data_ptr<int64_t>();
  }
  switch (x.scalar_type()) {
    case torch::kFloat32:
      apply<float>(params, x, y);
      break;
    case torch::kFloat64:
      apply<double>(params, x, y);
      break;
    case torch::kBFloat16:
      apply<Bfloat16Bits>(params, x, y);
      break;
    default:
      throw ConfigError(std::string("dropout: expected float64, float32 or bfloat16, found ") + c10::toString(x.scalar_type()));
  }
  return y;
}

struct CounterDropout : torch::autograd::Function<CounterDropout> {
  static torch::Tensor forward(torch::autograd::AutogradContext* context, const torch::Tensor& x, const Mask& mask) {
    context->saved_data["p"] = mask.p;
    context->saved_data["seed"] = static_cast<int64_t>(mask.key.seed);
    context->saved_data["step"] = mask.key.step;
    context->saved_data["step_on_device"] = mask.key.step_on_device;
    context->saved_data["slots"] = mask.key.slots_B;
    context->saved_data["site"] = mask.site;
    return apply_mask(x, mask);
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context, const torch::autograd::variable_list& gradients) {
    auto& saved = context->saved_data;
    const Mask mask{saved["p"].toDouble(),
                    {static_cast<uint64_t>(saved["seed"].toInt()), saved["step"].toInt(), saved["slots"].toTensor(), saved["step_on_device"].toTensor()},
                    saved["site"].toInt()};
    // The map is linear: its derivative is itself, also when the gradient is differentiated again.
    return {CounterDropout::apply(gradients[0], mask), torch::Tensor()};
  }
};

void check_arguments(const torch::Tensor& x, double p, const DropoutKey& key, int64_t layer) {
  if (!(p >= 0 && p < 1) || std::ceil(p * 0x1p32) > 0x1p32 - 1)
    throw ConfigError("dropout: expected a probability of at least 0 and below 1, found " + std::to_string(p));
  const auto& slots_B = key.slots_B;
  if (x.dim() < 1 || slots_B.dim() != 1 || slots_B.size(0) != x.size(0) || slots_B.scalar_type() != torch::kInt64 || !slots_B.is_cpu() ||
      !slots_B.is_contiguous())
    throw ConfigError("dropout: expected one slot per row of x (contiguous int64 on the CPU), found slots of shape " + c10::str(slots_B.sizes()) +
                      " for x of shape " + c10::str(x.sizes()));
  if (key.step < 0 || key.step > int64_t{0xffffffff} || layer < 0 || layer >= (int64_t{1} << 29))
    throw ConfigError("dropout: step " + std::to_string(key.step) + " or layer " + std::to_string(layer) + " is outside the range of its counter");
}

}  // namespace

bool DropoutKey::has_consecutive_slots() const {
  const int64_t* slots = slots_B.const_data_ptr<int64_t>();
  for (int64_t i = 1; i < slots_B.numel(); ++i)
    if (slots[i] != slots[0] + i) return false;
  return true;
}

torch::Tensor counter_dropout(const torch::Tensor& x, double p, const DropoutKey& key, int64_t layer, DropoutSite site) {
  if (!key.slots_B.defined() || p == 0) return x;
  check_arguments(x, p, key, layer);
  return CounterDropout::apply(x, Mask{p, key, layer * 8 + static_cast<int64_t>(site)});
}

}  // namespace liere
