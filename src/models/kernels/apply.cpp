// Dispatch, autograd, and the ATen reference. Heads are written H = Hr * Hs: Hr heads with rotations of their own, Hs sharing one (one of the two is
// 1).
#include "models/kernels/apply.h"

#include <ATen/Parallel.h>
#include <c10/core/DeviceGuard.h>

#include "models/kernels/device_dispatch.h"
#include "models/kernels/turn_kernels.h"

namespace liere {
namespace {

/// The patch tokens of a view [B, H, T, d] as [N, Hr, K, B, Hs, b].
at::Tensor by_matrix(const at::Tensor& x_BHTD, int64_t own_heads, int64_t b) {
  const int64_t heads = x_BHTD.size(1), dim = x_BHTD.size(3);
  return x_BHTD.narrow(2, 1, x_BHTD.size(2) - 1).unflatten(3, {dim / b, b}).unflatten(1, {own_heads, heads / own_heads}).permute({3, 1, 4, 0, 2, 5});
}
/// Rows of q and k that share a matrix: [N Hr K, 2 B Hs, b].
at::Tensor rows_of(const QueryKey& x, int64_t own_heads, int64_t b) {
  return at::stack({by_matrix(x.q_BHTD, own_heads, b), by_matrix(x.k_BHTD, own_heads, b)}, 3).flatten(0, 2).flatten(1, 3);
}
void put_rows(const at::Tensor& rows, const QueryKey& out, int64_t own_heads, int64_t b) {
  const auto q = by_matrix(out.q_BHTD, own_heads, b), k = by_matrix(out.k_BHTD, own_heads, b);
  const auto both = rows.view({q.size(0), q.size(1), q.size(2), 2, q.size(3), q.size(4), b});
  q.copy_(both.select(3, 0));
  k.copy_(both.select(3, 1));
}

/// The same for pairs: [2, B, N, Hr, Hs, P] complex, and back.
at::Tensor phasors_of(const QueryKey& x, int64_t own_heads, at::ScalarType dtype) {
  const auto both = at::stack({by_matrix(x.q_BHTD, own_heads, 2), by_matrix(x.k_BHTD, own_heads, 2)});  // [2, N, Hr, P, B, Hs, 2]
  return at::view_as_complex(both.permute({0, 4, 1, 2, 5, 3, 6}).to(dtype).contiguous());
}
void put_phasors(const at::Tensor& phasors, const QueryKey& out, int64_t own_heads) {
  const auto both = at::view_as_real(phasors).permute({0, 2, 3, 5, 1, 4, 6});
  by_matrix(out.q_BHTD, own_heads, 2).copy_(both[0]);
  by_matrix(out.k_BHTD, own_heads, 2).copy_(both[1]);
}
/// cos + i sin, broadcast over q and k, batch and shared heads: [1, 1, N, Hr, 1, P].
at::Tensor phases(const LayerRotations& rotations) {
  return at::view_as_complex(rotations.value.contiguous()).unsqueeze(2).unsqueeze(0).unsqueeze(0);
}

void copy_cls(const QueryKey& in, const QueryKey& out) {
  if (out.q_BHTD.const_data_ptr() == in.q_BHTD.const_data_ptr()) return;
  out.q_BHTD.select(2, 0).copy_(in.q_BHTD.select(2, 0));
  out.k_BHTD.select(2, 0).copy_(in.k_BHTD.select(2, 0));
}

void reference_turn(const QueryKey& in, const QueryKey& out, const LayerRotations& rotations) {
  const int64_t own = rotations.value.size(1);
  copy_cls(in, out);
  if (rotations.kind == Rotations::Kind::kPairs) return put_phasors(phasors_of(in, own, rotations.value.scalar_type()) * phases(rotations), out, own);
  const int64_t b = rotations.value.size(-1);
  const auto rows = rows_of(in, own, b);
  put_rows(at::bmm(rows, rotations.value.to(rows.scalar_type()).reshape({-1, b, b}).transpose(1, 2)), out, own, b);
}

void reference_turn_backward(const QueryKey& d_turned, const QueryKey& turned, const QueryKey& out, const LayerRotations& rotations) {
  const int64_t own = rotations.value.size(1);
  const auto accumulate = rotations.value.scalar_type();
  copy_cls(d_turned, out);
  if (rotations.kind == Rotations::Kind::kPairs) {
    const auto d = phasors_of(d_turned, own, accumulate);
    if (rotations.gradient.defined()) rotations.gradient.add_(at::imag(phasors_of(turned, own, accumulate).conj() * d).sum({0, 1, 4}));
    return put_phasors(d * phases(rotations).conj(), out, own);
  }
  const int64_t b = rotations.value.size(-1);
  const auto d = rows_of(d_turned, own, b);
  if (rotations.gradient.defined())
    rotations.gradient.view({-1, b, b}).baddbmm_(d.transpose(1, 2).to(accumulate), rows_of(turned, own, b).to(accumulate));
  put_rows(at::bmm(d, rotations.value.to(d.scalar_type()).reshape({-1, b, b})), out, own, b);
}

void check(const QueryKey& x, const LayerRotations& rotations) {
  const int64_t heads = x.q_BHTD.size(1), tokens = x.q_BHTD.size(2) - 1, own = rotations.value.size(1);
  TORCH_CHECK(own == heads || own == 1, "rotations for ", own, " heads were given to an attention of ", heads, " heads");
  TORCH_CHECK(rotations.value.size(0) == tokens, "rotations for ", rotations.value.size(0), " tokens were given to an input of ", tokens,
              " tokens (and CLS)");
}

bool fits(const QueryKey& x) { return x.q_BHTD.stride(3) == 1 && x.k_BHTD.stride(3) == 1 && x.q_BHTD.strides() == x.k_BHTD.strides(); }

/// Whether a plan can say it; the kernels of a device refuse more (serves).
bool plan_fits(const QueryKey& x, const QueryKey& out, const LayerRotations& rotations) {
  const auto dtype = x.q_BHTD.scalar_type(), scalar = dtype == at::kDouble ? at::kDouble : at::kFloat;
  return rotations.path == RotationPath::kKernels && (dtype == at::kFloat || dtype == at::kBFloat16 || dtype == at::kDouble) &&
         rotations.value.scalar_type() == scalar && rotations.value.is_contiguous() &&
         (!rotations.gradient.defined() || rotations.gradient.is_contiguous()) && x.q_BHTD.numel() > 0 && fits(x) && fits(out);
}

template <class T>
QueriesKeys<T> queries_keys(const QueryKey& x) {
  const HeadStrides strides{x.q_BHTD.stride(0), x.q_BHTD.stride(1), x.q_BHTD.stride(2)};
  if constexpr (std::is_const_v<T>)
    return {static_cast<T*>(x.q_BHTD.const_data_ptr()), static_cast<T*>(x.k_BHTD.const_data_ptr()), strides};
  else
    return {static_cast<T*>(x.q_BHTD.mutable_data_ptr()), static_cast<T*>(x.k_BHTD.mutable_data_ptr()), strides};
}

template <class T>
TurnPlan<T> plan_of(const QueryKey& in, const QueryKey& out, const LayerRotations& rotations) {
  using Scalar = typename TurnPlan<T>::Scalar;
  const bool pairs = rotations.kind == Rotations::Kind::kPairs;
  const auto& x = in.q_BHTD;
  return {.samples = x.size(0),
          .tokens = x.size(2),
          .heads = x.size(1),
          .own_heads = rotations.value.size(1),
          .dim = x.size(3),
          .block = pairs ? 0 : rotations.value.size(-1),
          .rotations = rotations.value.const_data_ptr<Scalar>(),
          .in = queries_keys<const T>(in),
          .out = queries_keys<T>(out)};
}

template <class T>
const DeviceTurnKernels<T>& turn_kernels_of(const DeviceKernels& kernels) {
  if constexpr (std::is_same_v<T, float>)
    return kernels.turn_float;
  else
    return kernels.turn_bfloat16;
}

/// On the kernels of the tensors' device; false where they do not serve.
template <class T>
bool run_on_device(const DeviceKernels& device, const TurnPlan<T>& plan, const at::Tensor& x, bool backward) {
  if constexpr (std::is_same_v<T, double>) {
    return false;
  } else {
    const auto& kernels = turn_kernels_of<T>(device);
    if (!kernels.serves(plan)) return false;
    const c10::DeviceGuard guard(x.device());
    if (!backward) {
      check_launch(kernels.forward(plan, stream_of(x)), "turning queries and keys");
      return true;
    }
    const auto workspace = at::empty({kernels.workspace(plan)}, x.options().dtype(at::kByte));
    check_launch(kernels.backward(plan, workspace.mutable_data_ptr(), stream_of(x)), "turning back the gradients of queries and keys");
    return true;
  }
}

template <class T>
bool run_turn(const QueryKey& in, const QueryKey& out, const LayerRotations& rotations) {
  const auto plan = plan_of<T>(in, out, rotations);
  if (const auto* device = device_kernels(in.q_BHTD)) return run_on_device(*device, plan, in.q_BHTD, false);
  if (!in.q_BHTD.is_cpu()) return false;
  const auto& kernels = turn_kernels<T>();
  at::parallel_for(0, kernels.items(plan), 1, [&](int64_t begin, int64_t end) { kernels.forward(plan, begin, end); });
  return true;
}

template <class T>
bool run_turn_backward(const QueryKey& d_turned, const QueryKey& turned, const QueryKey& out, const LayerRotations& rotations) {
  auto plan = plan_of<T>(d_turned, out, rotations);
  if (rotations.gradient.defined()) {
    plan.turned = queries_keys<const T>(turned);
    plan.gradient = rotations.gradient.data_ptr<typename TurnPlan<T>::Scalar>();
  }
  if (const auto* device = device_kernels(d_turned.q_BHTD)) return run_on_device(*device, plan, d_turned.q_BHTD, true);
  if (!d_turned.q_BHTD.is_cpu()) return false;
  const auto& kernels = turn_kernels<T>();
  at::parallel_for(0, kernels.items(plan), 1, [&](int64_t begin, int64_t end) { kernels.backward(plan, begin, end); });
  return true;
}

/// function(T{}) for the kernels' T of a scalar type.
template <class Function>
bool with_type(at::ScalarType type, const Function& function) {
  if (type == at::kDouble) return function(double{});
  if (type == at::kBFloat16) return function(Bfloat16Bits{});
  return function(float{});
}

/// turn() as an operation that autograd follows; it keeps what it returns.
class ApplyRotations : public torch::autograd::Function<ApplyRotations> {
 public:
  static torch::autograd::variable_list forward(torch::autograd::AutogradContext* context, const at::Tensor& qkv_BT3HD, int64_t heads, int64_t kind,
                                                int64_t path, const at::Tensor& value, const std::optional<at::Tensor>& gradient) {
    // Not through save_for_backward: the accumulator changes between forward and backward by design, which autograd would take for an error.
    context->saved_data["kind"] = kind;
    context->saved_data["path"] = path;
    context->saved_data["value"] = value;
    context->saved_data["gradient"] = gradient;
    const auto in = query_key_of(qkv_BT3HD, heads);
    const QueryKey out{at::empty(in.q_BHTD.sizes(), in.q_BHTD.options()), at::empty(in.k_BHTD.sizes(), in.k_BHTD.options())};
    turn(in, out, layer_of(context));
    context->save_for_backward({out.q_BHTD, out.k_BHTD});
    return {out.q_BHTD, out.k_BHTD, value_of(qkv_BT3HD, heads).contiguous()};
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context, const torch::autograd::variable_list& grads) {
    const auto saved = context->get_saved_variables();
    const auto& q_BHTD = saved[0];
    const int64_t heads = q_BHTD.size(1);
    const auto dqkv_BT3HD = at::empty({q_BHTD.size(0), q_BHTD.size(2), 3 * heads * q_BHTD.size(3)}, q_BHTD.options());
    value_of(dqkv_BT3HD, heads).copy_(grads[2]);
    const at::Tensor dq = grads[0].contiguous(), dk = grads[1].contiguous();
    turn_backward({dq, dk}, {q_BHTD, saved[1]}, query_key_of(dqkv_BT3HD, heads), layer_of(context));
    return {dqkv_BT3HD, at::Tensor(), at::Tensor(), at::Tensor(), at::Tensor(), at::Tensor()};
  }

 private:
  static LayerRotations layer_of(torch::autograd::AutogradContext* context) {
    LayerRotations rotations;
    rotations.kind = static_cast<Rotations::Kind>(context->saved_data["kind"].toInt());
    rotations.path = static_cast<RotationPath>(context->saved_data["path"].toInt());
    rotations.value = context->saved_data["value"].toTensor();
    rotations.gradient = context->saved_data["gradient"].toOptional<at::Tensor>().value_or(at::Tensor());
    return rotations;
  }
};

}  // namespace

LayerRotations::LayerRotations(const Rotations& set, int64_t layer) : kind(set.kind), path(set.path) {
  if (kind == Rotations::Kind::kNone) return;
  const int64_t index = set.layer_index(layer);
  value = set.value[index];
  if (set.wants_gradient()) gradient = set.gradient[index];
}

QueryKey query_key_of(const at::Tensor& qkv_BT3HD, int64_t heads) {
  const auto parts = qkv_BT3HD.unflatten(2, {3, heads, -1}).permute({2, 0, 3, 1, 4});
  return {parts[0], parts[1]};
}

at::Tensor value_of(const at::Tensor& qkv_BT3HD, int64_t heads) { return qkv_BT3HD.unflatten(2, {3, heads, -1}).select(2, 2).transpose(1, 2); }

void turn(const QueryKey& in, const QueryKey& out, const LayerRotations& rotations) {
  const at::NoGradGuard no_grad;
  const c10::impl::ExcludeDispatchKeyGuard no_autocast(c10::autocast_dispatch_keyset);
  check(in, rotations);
  const auto run = [&](auto type) { return run_turn<decltype(type)>(in, out, rotations); };
  if (!plan_fits(in, out, rotations) || !with_type(in.q_BHTD.scalar_type(), run)) reference_turn(in, out, rotations);
}

void turn_backward(const QueryKey& d_turned, const QueryKey& turned, const QueryKey& out, const LayerRotations& rotations) {
  const at::NoGradGuard no_grad;
  const c10::impl::ExcludeDispatchKeyGuard no_autocast(c10::autocast_dispatch_keyset);
  check(d_turned, rotations);
  const auto run = [&](auto type) { return run_turn_backward<decltype(type)>(d_turned, turned, out, rotations); };
  const bool planned = plan_fits(d_turned, out, rotations) && (!rotations.gradient.defined() || fits(turned));
  if (!planned || !with_type(d_turned.q_BHTD.scalar_type(), run)) reference_turn_backward(d_turned, turned, out, rotations);
}

std::tuple<torch::Tensor, torch::Tensor, torch::Tensor> apply_rotations(const torch::Tensor& qkv_BT3HD, int64_t heads, const Rotations& rotations,
                                                                        int64_t layer) {
  if (rotations.kind == Rotations::Kind::kNone) {
    const auto parts = qkv_BT3HD.unflatten(2, {3, heads, -1}).permute({2, 0, 3, 1, 4}).contiguous().unbind(0);
    return {parts[0], parts[1], parts[2]};
  }
  const LayerRotations one(rotations, layer);
  const auto gradient = one.gradient.defined() ? std::optional<at::Tensor>(one.gradient) : std::nullopt;
  const auto turned =
      ApplyRotations::apply(qkv_BT3HD.contiguous(), heads, static_cast<int64_t>(one.kind), static_cast<int64_t>(one.path), one.value, gradient);
  return {turned[0], turned[1], turned[2]};
}

}  // namespace liere
