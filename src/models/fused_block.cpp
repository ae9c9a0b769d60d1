// Shape legend: B batch, T tokens, W width, M hidden width of the MLP, R = B T rows, H heads, d head dimension.
#include "models/fused_block.h"

#include <ATen/Parallel.h>
#include <ATen/autocast_mode.h>
#include <torch/custom_class.h>

#include <cmath>

#include "models/kernels/apply.h"
#include "models/kernels/block_kernels.h"
#include "models/kernels/device_dispatch.h"
#include "models/kernels/fused_attention.h"

namespace liere {
namespace {

template <class T>
const T* in(const at::Tensor& x) {
  return x.defined() ? static_cast<const T*>(x.const_data_ptr()) : nullptr;
}
template <class T>
T* out(const at::Tensor& x) {
  return x.defined() ? static_cast<T*>(x.mutable_data_ptr()) : nullptr;
}

/// x contiguous, and where a GPU's kernels load 16 bytes at a time.
at::Tensor aligned(const at::Tensor& x) {
  const auto y = x.contiguous();
  return reinterpret_cast<uintptr_t>(y.const_data_ptr()) % 16 == 0 ? y : y.clone();
}

/// What a call knows besides tensors that autograd follows; lives in the graph.
struct Call : torch::CustomClassHolder {
  BlockSettings settings;
  LayerRotations rotations;
  std::optional<DropoutKey> dropout;
  at::Tensor slots_B;                 // on the device of x; undefined where consecutive
  at::ScalarType dtype = at::kFloat;  // of the branches
  at::SDPBackend backend = at::SDPBackend::flash_attention;  // that forward's attention ran on
};

enum Saved { kX, kMean1, kRstd1, kNormed1, kQkv, kMixed, kLse, kSeed, kOffset, kMask1, kY, kMean2, kRstd2, kNormed2, kHiddenIn, kMask2, kHidden, kMask3, kNarrowQkv, kNarrowOut, kNarrowFc1, kNarrowFc2, kSavedCount };
enum Weight { kNorm1Weight, kNorm1Bias, kQkvWeight, kQkvBias, kOut, kOutBias, kNorm2Weight, kNorm2Bias, kFc1, kFc1Bias, kFc2, kFc2Bias, kWeightCount };
using Tensors = std::vector<at::Tensor>;

/// `bits` [R, W / 16] holds the mask; undefined without dropout.
MaskPlan mask_plan(const Call& call, DropoutSite site, int64_t tokens, const at::Tensor& bits) {
  MaskPlan plan;
  if (!bits.defined()) return plan;
  plan.bits = reinterpret_cast<uint16_t*>(bits.mutable_data_ptr());
  plan.tokens = tokens;
  plan.slots = in<int64_t>(call.slots_B);
  plan.first_slot = *call.dropout->slots_B.const_data_ptr<int64_t>();
  plan.step = static_cast<uint32_t>(call.dropout->step);
  plan.device_step = in<int64_t>(call.dropout->step_on_device);
  plan.site = static_cast<uint32_t>(call.settings.layer * 8 + static_cast<int64_t>(site));
  plan.key = stream_key(call.dropout->seed, Purpose::kDropout);
  plan.threshold = static_cast<uint32_t>(std::ceil(call.settings.dropout * 0x1p32));
  plan.scale = static_cast<float>(1.0 / (1.0 - call.settings.dropout));
  return plan;
}

at::Tensor mask_bits(const Call& call, int64_t rows, int64_t width, const at::Tensor& like) {
  return call.dropout && call.settings.dropout > 0 ? at::empty({rows, width / 16}, like.options().dtype(at::kShort)) : at::Tensor();
}

/// The kernels of x's device.
template <class T>
class Kernels {
 public:
  explicit Kernels(const at::Tensor& x) : device_(device_kernels(x)), stream_(stream_of(x)) {}

  void add_norm(const AddNormForward<T>& plan) const { device_ ? launch(device().add_norm, plan) : over_chunks(host_.add_norm, plan); }
  void add_norm_backward(const AddNormBackward<T>& plan) const { device_ ? launch(device().add_norm_backward, plan) : over_chunks(host_.add_norm_backward, plan); }
  void gelu(const GeluPlan<T>& plan) const { device_ ? launch(device().gelu, plan) : over_chunks(host_.gelu, plan); }
  void gelu_backward(const GeluPlan<T>& plan) const { device_ ? launch(device().gelu_backward, plan) : over_chunks(host_.gelu_backward, plan); }
  int64_t chunks(int64_t rows) const { return device_ ? device_chunks_of(rows) : chunks_of(rows); }
  void add_chunks(const at::Tensor& parts, const at::Tensor& sum) const {
    const float* from = parts.const_data_ptr<float>();
    if (device_) check_launch(device_->add_chunks(from, parts.size(0), parts.size(1), sum.data_ptr<float>(), stream_), "sums over rows");
    else liere::add_chunks(from, parts.size(0), parts.size(1), sum.data_ptr<float>());
  }

 private:
  const DeviceBlockKernels<T>& device() const {
    if constexpr (std::is_same_v<T, float>) return device_->block_float;
    else return device_->block_bfloat16;
  }
  template <class Plan>
  void launch(int (*kernel)(const Plan&, void*), const Plan& plan) const {
    check_launch(kernel(plan, stream_), "a transformer block");
  }
  template <class Plan>
  static void over_chunks(void (*kernel)(const Plan&, int64_t, int64_t), const Plan& plan) {
    at::parallel_for(0, chunks_of(plan.rows), 1, [&](int64_t begin, int64_t end) { kernel(plan, begin, end); });
  }

  const DeviceKernels* device_;
  void* stream_;
  const BlockKernels<T>& host_ = block_kernels<T>();
};

/// Sums over rows: of each chunk, then their total.
template <class T>
class RowSums {
 public:
  RowSums(const Kernels<T>& kernels, int64_t rows, int64_t width, const at::TensorOptions& wide) : kernels_(kernels), parts_(at::empty({kernels.chunks(rows), width}, wide)) {}
  float* data() { return parts_.template data_ptr<float>(); }
  at::Tensor total() const {
    auto sum = at::empty({parts_.size(1)}, parts_.options());
    kernels_.add_chunks(parts_, sum);
    return sum;
  }

 private:
  const Kernels<T>& kernels_;
  at::Tensor parts_;
};

NormPlan norm_plan(const Call& call, const at::Tensor& weight, const at::Tensor& bias, const at::Tensor& mean, const at::Tensor& rstd) {
  return {in<float>(weight), in<float>(bias), static_cast<float>(call.settings.norm_eps), out<float>(mean), out<float>(rstd)};
}

at::Tensor project(const at::Tensor& x, const at::Tensor& weight) { return at::mm(x, weight.t()); }

template <class T>
at::Tensor forward_block(Call& call, const at::Tensor& x_BTW, const Tensors& w, Tensors& s) {
  const Kernels<T> kernels(x_BTW);
  const int64_t tokens = x_BTW.size(1), width = x_BTW.size(2), rows = x_BTW.size(0) * tokens, hidden = w[kFc1].size(0);
  const auto wide = x_BTW.options().requires_grad(false), narrow = wide.dtype(call.dtype);
  s.resize(kSavedCount);
  s[kX] = x_BTW;
  s[kNarrowQkv] = w[kQkvWeight].to(call.dtype);
  s[kNarrowOut] = w[kOut].to(call.dtype);
  s[kNarrowFc1] = w[kFc1].to(call.dtype);
  s[kNarrowFc2] = w[kFc2].to(call.dtype);
  for (const int i : {kMean1, kRstd1, kMean2, kRstd2}) s[i] = at::empty({rows}, wide);
  s[kNormed1] = at::empty({rows, width}, narrow);
  kernels.add_norm({.rows = rows, .width = width, .x = in<float>(x_BTW), .normed = out<T>(s[kNormed1]),
                                 .norm = norm_plan(call, w[kNorm1Weight], w[kNorm1Bias], s[kMean1], s[kRstd1])});

  s[kQkv] = project(s[kNormed1], s[kNarrowQkv]).view({x_BTW.size(0), tokens, 3 * width});
  if (w[kQkvBias].defined()) s[kQkv].add_(w[kQkvBias].to(call.dtype));
  const auto heads = heads_of(s[kQkv], call.settings.heads);
  if (call.rotations.kind != Rotations::Kind::kNone) turn({heads.q, heads.k}, {heads.q, heads.k}, call.rotations);
  const auto attended = attend(heads);
  s[kMixed] = attended.mixed_BTW;
  s[kLse] = attended.lse;
  s[kSeed] = attended.seed;
  s[kOffset] = attended.offset;
  call.backend = attended.backend;

  s[kMask1] = mask_bits(call, rows, width, x_BTW);
  s[kY] = at::empty({rows, width}, wide);
  s[kNormed2] = at::empty({rows, width}, narrow);
  const auto projected = project(s[kMixed].view({rows, width}), s[kNarrowOut]);
  kernels.add_norm({.rows = rows, .width = width, .x = in<float>(x_BTW), .branch = in<T>(projected), .branch_bias = in<float>(w[kOutBias]),
                                 .mask = mask_plan(call, DropoutSite::kAttentionOut, tokens, s[kMask1]), .y = out<float>(s[kY]), .normed = out<T>(s[kNormed2]),
                                 .norm = norm_plan(call, w[kNorm2Weight], w[kNorm2Bias], s[kMean2], s[kRstd2])});

  s[kHiddenIn] = project(s[kNormed2], s[kNarrowFc1]);
  s[kMask2] = mask_bits(call, rows, hidden, x_BTW);
  s[kHidden] = at::empty_like(s[kHiddenIn]);
  kernels.gelu({.rows = rows, .width = hidden, .branch = in<T>(s[kHiddenIn]), .bias = in<float>(w[kFc1Bias]),
                             .mask = mask_plan(call, DropoutSite::kMlpHidden, tokens, s[kMask2]), .hidden = out<T>(s[kHidden])});

  s[kMask3] = mask_bits(call, rows, width, x_BTW);
  const auto result = at::empty(x_BTW.sizes(), wide);
  const auto mlp_out = project(s[kHidden], s[kNarrowFc2]);
  kernels.add_norm({.rows = rows, .width = width, .x = in<float>(s[kY]), .branch = in<T>(mlp_out), .branch_bias = in<float>(w[kFc2Bias]),
                                 .mask = mask_plan(call, DropoutSite::kMlpOut, tokens, s[kMask3]), .y = out<float>(result)});
  return result;
}

/// dy [R, out] and x [R, in] -> the weight's gradient [out, in] in float32.
at::Tensor weight_gradient(const at::Tensor& dy, const at::Tensor& x) {
  if (dy.is_cuda() && dy.scalar_type() != at::kFloat) return at::mm(dy.t(), x, at::kFloat);  // the sums are float32 there: no rounding between
  return at::mm(dy.t(), x).to(at::kFloat);
}
at::Tensor input_gradient(const at::Tensor& dy, const at::Tensor& weight) { return at::mm(dy, weight); }

template <class T>
at::Tensor backward_block(const Call& call, const at::Tensor& dresult_BTW, const Tensors& w, const Tensors& s, Tensors& dw) {
  const Kernels<T> kernels(dresult_BTW);
  const int64_t tokens = dresult_BTW.size(1), width = dresult_BTW.size(2), rows = dresult_BTW.size(0) * tokens, hidden = w[kFc1].size(0);
  const auto wide = dresult_BTW.options().requires_grad(false), narrow = wide.dtype(call.dtype);
  dw.resize(kWeightCount);

  RowSums<T> dfc2_bias(kernels, rows, width, wide);
  auto dbranch = at::empty({rows, width}, narrow);
  kernels.add_norm_backward({.rows = rows, .width = width, .dy = in<float>(dresult_BTW), .mask = mask_plan(call, DropoutSite::kMlpOut, tokens, s[kMask3]),
                                          .dbranch = out<T>(dbranch), .dbranch_bias = dfc2_bias.data()});
  dw[kFc2Bias] = dfc2_bias.total();
  dw[kFc2] = weight_gradient(dbranch, s[kHidden]);
  auto dhidden = input_gradient(dbranch, s[kNarrowFc2]);
  RowSums<T> dfc1_bias(kernels, rows, hidden, wide);
  kernels.gelu_backward({.rows = rows, .width = hidden, .branch = in<T>(s[kHiddenIn]), .bias = in<float>(w[kFc1Bias]),
                                      .mask = mask_plan(call, DropoutSite::kMlpHidden, tokens, s[kMask2]), .dhidden = in<T>(dhidden), .dbranch = out<T>(dhidden),
                                      .dbias = dfc1_bias.data()});
  dw[kFc1Bias] = dfc1_bias.total();
  dw[kFc1] = weight_gradient(dhidden, s[kNormed2]);
  const auto dnormed2 = input_gradient(dhidden, s[kNarrowFc1]);

  RowSums<T> dnorm2_weight(kernels, rows, width, wide), dnorm2_bias(kernels, rows, width, wide), dout_bias(kernels, rows, width, wide);
  auto dx_BTW = at::empty_like(dresult_BTW);
  kernels.add_norm_backward({.rows = rows, .width = width, .dy = in<float>(dresult_BTW), .dnormed = in<T>(dnormed2), .y = in<float>(s[kY]),
                                          .norm = norm_plan(call, w[kNorm2Weight], w[kNorm2Bias], s[kMean2], s[kRstd2]),
                                          .mask = mask_plan(call, DropoutSite::kAttentionOut, tokens, s[kMask1]), .dx = out<float>(dx_BTW), .dbranch = out<T>(dbranch),
                                          .dbranch_bias = dout_bias.data(), .dweight = dnorm2_weight.data(), .dbias = dnorm2_bias.data()});
  dw[kNorm2Weight] = dnorm2_weight.total();
  dw[kNorm2Bias] = dnorm2_bias.total();
  dw[kOutBias] = dout_bias.total();
  dw[kOut] = weight_gradient(dbranch, s[kMixed].view({rows, width}));
  const auto dmixed_BTW = input_gradient(dbranch, s[kNarrowOut]).view_as(s[kMixed]);

  const auto heads = heads_of(s[kQkv], call.settings.heads);
  const auto dqkv = heads_backward(attend_backward(heads, {s[kMixed], s[kLse], s[kSeed], s[kOffset], call.backend}, dmixed_BTW), heads, call.rotations).view({rows, 3 * width});
  if (w[kQkvBias].defined()) dw[kQkvBias] = dqkv.sum(0, false, at::kFloat);
  dw[kQkvWeight] = weight_gradient(dqkv, s[kNormed1]);
  const auto dnormed1 = input_gradient(dqkv, s[kNarrowQkv]);

  RowSums<T> dnorm1_weight(kernels, rows, width, wide), dnorm1_bias(kernels, rows, width, wide);
  kernels.add_norm_backward({.rows = rows, .width = width, .dy = in<float>(dx_BTW), .dnormed = in<T>(dnormed1), .y = in<float>(s[kX]),
                                          .norm = norm_plan(call, w[kNorm1Weight], w[kNorm1Bias], s[kMean1], s[kRstd1]), .dx = out<float>(dx_BTW),
                                          .dweight = dnorm1_weight.data(), .dbias = dnorm1_bias.data()});
  dw[kNorm1Weight] = dnorm1_weight.total();
  dw[kNorm1Bias] = dnorm1_bias.total();
  return dx_BTW;
}

struct FusedBlock : torch::autograd::Function<FusedBlock> {
  static at::Tensor forward(torch::autograd::AutogradContext* context, const at::Tensor& x, const at::Tensor& norm1_weight, const at::Tensor& norm1_bias,
                            const at::Tensor& qkv, const std::optional<at::Tensor>& qkv_bias, const at::Tensor& o, const at::Tensor& out_bias, const at::Tensor& norm2_weight,
                            const at::Tensor& norm2_bias, const at::Tensor& fc1, const at::Tensor& fc1_bias, const at::Tensor& fc2, const at::Tensor& fc2_bias,
                            const c10::intrusive_ptr<Call>& call) {
    const c10::impl::ExcludeDispatchKeyGuard no_autocast(c10::autocast_dispatch_keyset);
    const Tensors weights = {norm1_weight, norm1_bias, qkv, qkv_bias.value_or(at::Tensor()), o, out_bias, norm2_weight, norm2_bias, fc1, fc1_bias, fc2, fc2_bias};
    const c10::DeviceGuard guard(x.device());
    Tensors saved;
    const auto y = call->dtype == at::kBFloat16 ? forward_block<Bfloat16Bits>(*call, x, weights, saved) : forward_block<float>(*call, x, weights, saved);
    saved.insert(saved.end(), weights.begin(), weights.end());
    context->save_for_backward(std::move(saved));
    context->saved_data["call"] = c10::IValue::make_capsule(call);
    return y;
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context, const torch::autograd::variable_list& gradients) {
    const c10::impl::ExcludeDispatchKeyGuard no_autocast(c10::autocast_dispatch_keyset);
    const at::NoGradGuard no_grad;
    const c10::DeviceGuard guard(gradients[0].device());
    const auto call = c10::static_intrusive_pointer_cast<Call>(context->saved_data["call"].toCapsule());
    Tensors saved = context->get_saved_variables();
    const Tensors weights(saved.begin() + kSavedCount, saved.end());
    const auto dy = aligned(gradients[0]);
    Tensors result;
    const auto dx = call->dtype == at::kBFloat16 ? backward_block<Bfloat16Bits>(*call, dy, weights, saved, result) : backward_block<float>(*call, dy, weights, saved, result);
    result.insert(result.begin(), dx);
    result.emplace_back();  // of the call
    return result;
  }
};

}  // namespace

bool fused_block_serves(const torch::Tensor& x_BTW, const BlockWeights& weights, const ForwardOptions& options) {
  if (x_BTW.scalar_type() != at::kFloat || x_BTW.numel() == 0 || x_BTW.size(2) % 16 != 0 || weights.fc1.size(0) % 16 != 0) return false;
  const auto* device = device_kernels(x_BTW);
  if (device ? !device->block_float.serves(x_BTW.size(2)) : !x_BTW.is_cpu()) return false;
  if (weights.fc1.scalar_type() != at::kFloat) return false;
  if (!options.dropout) return true;
  const auto& slots_B = options.dropout->slots_B;
  return slots_B.defined() && slots_B.is_cpu() && slots_B.scalar_type() == at::kLong && slots_B.is_contiguous() && slots_B.numel() == x_BTW.size(0);
}

torch::Tensor fused_block(const torch::Tensor& x_BTW, const BlockWeights& weights, const BlockSettings& settings, const Rotations& rotations,
                          const ForwardOptions& options) {
  auto call = c10::make_intrusive<Call>();
  call->settings = settings;
  call->dropout = options.dropout;
  if (call->dropout && !call->dropout->has_consecutive_slots()) call->slots_B = call->dropout->slots_B.to(x_BTW.device());
  call->dtype = at::autocast::is_autocast_enabled(x_BTW.device().type()) ? at::kBFloat16 : at::kFloat;
  call->rotations = LayerRotations(rotations, settings.layer);
  const auto& w = weights;
  const auto qkv_bias = w.qkv_bias.defined() ? std::optional<at::Tensor>(w.qkv_bias) : std::nullopt;
  return FusedBlock::apply(aligned(x_BTW), w.norm1_weight, w.norm1_bias, w.qkv, qkv_bias, w.out, w.out_bias, w.norm2_weight, w.norm2_bias, w.fc1, w.fc1_bias, w.fc2,
                           w.fc2_bias, call);
}

}  // namespace liere
