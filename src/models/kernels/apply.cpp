// ATen reference, for every device. Heads are written H = Hr * Hs: Hr heads with rotations of their own, Hs sharing one (one of the two is 1).
#include "models/kernels/apply.h"

namespace liere {
namespace {

struct Shape {
  int64_t batch, tokens, heads, own_heads, shared_heads, dim;
};

Shape shape_of(const at::Tensor& qkv_BT3HD, int64_t heads, const LayerRotations& rotations) {
  const int64_t own = rotations.value.size(1), tokens = qkv_BT3HD.size(1) - 1;
  TORCH_CHECK(own == heads || own == 1, "rotations for ", own, " heads were given to an attention of ", heads, " heads");
  TORCH_CHECK(rotations.value.size(0) == tokens, "rotations for ", rotations.value.size(0), " tokens were given to an input of ", tokens,
              " tokens (and CLS)");
  return {qkv_BT3HD.size(0), tokens, heads, own, heads / own, qkv_BT3HD.size(2) / (3 * heads)};
}

at::Tensor heads_first(const at::Tensor& qkv_BT3HD, int64_t part, int64_t heads) {
  return qkv_BT3HD.unflatten(2, {3, heads, -1}).select(2, part).transpose(1, 2);
}

/// Blocks: the q and k of the patch tokens in [B, T, 3 H d] as a view [N, Hr, K, 2, B, Hs, b].
at::Tensor block_view(const at::Tensor& qkv_BT3HD, const Shape& s, int64_t b) {
  return qkv_BT3HD.view({s.batch, s.tokens + 1, 3, s.own_heads, s.shared_heads, s.dim / b, b})
      .narrow(1, 1, s.tokens)
      .narrow(2, 0, 2)
      .permute({1, 3, 5, 2, 0, 4, 6});
}
/// The same of one tensor [B, H, T, d]: a view [N, Hr, K, B, Hs, b].
at::Tensor head_block_view(const at::Tensor& x_BHTD, const Shape& s, int64_t b) {
  return x_BHTD.unflatten(3, {s.dim / b, b}).unflatten(1, {s.own_heads, s.shared_heads}).narrow(3, 1, s.tokens).permute({3, 1, 4, 0, 2, 5});
}
/// Rows that share a matrix: [N Hr K, 2 B Hs, b].
at::Tensor rows_of(const at::Tensor& view, const Shape& s, int64_t b) { return view.reshape({s.tokens * s.own_heads * (s.dim / b), -1, b}); }

/// Pairs: the same as views [B, N, 2, Hr, Hs, P, 2] and [B, N, Hr, Hs, P, 2], P = d / 2.
at::Tensor pair_view(const at::Tensor& qkv_BT3HD, const Shape& s) {
  return qkv_BT3HD.view({s.batch, s.tokens + 1, 3, s.own_heads, s.shared_heads, s.dim / 2, 2}).narrow(1, 1, s.tokens).narrow(2, 0, 2);
}
at::Tensor head_pair_view(const at::Tensor& x_BHTD, const Shape& s) {
  return x_BHTD.unflatten(3, {s.dim / 2, 2}).unflatten(1, {s.own_heads, s.shared_heads}).narrow(3, 1, s.tokens).permute({0, 3, 1, 2, 4, 5});
}
at::Tensor as_complex(const at::Tensor& pairs, at::ScalarType dtype) { return at::view_as_complex(pairs.to(dtype).contiguous()); }
/// cos + i sin, broadcast over batch, q and k, and shared heads: [1, N, 1, Hr, 1, P].
at::Tensor phases(const LayerRotations& rotations) {
  return at::view_as_complex(rotations.value.contiguous()).unsqueeze(1).unsqueeze(3).unsqueeze(0);
}

void turn_blocks(const at::Tensor& qkv_BT3HD, const Shape& s, const LayerRotations& rotations, at::Tensor& q_BHTD, at::Tensor& k_BHTD) {
  const int64_t b = rotations.value.size(-1);
  const auto view = block_view(qkv_BT3HD, s, b);
  const auto matrices = rotations.value.to(qkv_BT3HD.scalar_type()).reshape({-1, b, b});
  const auto turned = at::bmm(rows_of(view, s, b), matrices.transpose(1, 2)).view(view.sizes());
  head_block_view(q_BHTD, s, b).copy_(turned.select(3, 0));
  head_block_view(k_BHTD, s, b).copy_(turned.select(3, 1));
}

void turn_pairs(const at::Tensor& qkv_BT3HD, const Shape& s, const LayerRotations& rotations, at::Tensor& q_BHTD, at::Tensor& k_BHTD) {
  const auto turned = at::view_as_real(as_complex(pair_view(qkv_BT3HD, s), rotations.value.scalar_type()) * phases(rotations));
  head_pair_view(q_BHTD, s).copy_(turned.select(2, 0));
  head_pair_view(k_BHTD, s).copy_(turned.select(2, 1));
}

void turn_back_blocks(at::Tensor& dqkv_BT3HD, const at::Tensor& dq_BHTD, const at::Tensor& dk_BHTD, const at::Tensor& qkv_BT3HD, const Shape& s,
                      const LayerRotations& rotations) {
  const int64_t b = rotations.value.size(-1);
  const auto rows = rows_of(at::stack({head_block_view(dq_BHTD, s, b), head_block_view(dk_BHTD, s, b)}, 3), s, b);
  const auto dx = at::bmm(rows, rotations.value.to(rows.scalar_type()).reshape({-1, b, b}));
  auto out = block_view(dqkv_BT3HD, s, b);
  out.copy_(dx.view(out.sizes()));
  if (!rotations.gradient.defined()) return;
  const auto accumulate = rotations.gradient.scalar_type();
  const auto x = rows_of(block_view(qkv_BT3HD, s, b), s, b);
  rotations.gradient.view({-1, b, b}).baddbmm_(dx.transpose(1, 2).to(accumulate), x.to(accumulate));
}

void turn_back_pairs(at::Tensor& dqkv_BT3HD, const at::Tensor& dq_BHTD, const at::Tensor& dk_BHTD, const at::Tensor& qkv_BT3HD, const Shape& s,
                     const LayerRotations& rotations) {
  const auto dtype = rotations.value.scalar_type();
  const auto turned = as_complex(at::stack({head_pair_view(dq_BHTD, s), head_pair_view(dk_BHTD, s)}, 2), dtype);
  const auto dx = turned * phases(rotations).conj();
  pair_view(dqkv_BT3HD, s).copy_(at::view_as_real(dx));
  if (!rotations.gradient.defined()) return;
  // x dy - y dx is the same before and after the rotation.
  const auto angle = at::imag((as_complex(pair_view(qkv_BT3HD, s), dtype).conj() * dx)).sum({0, 2, 4});
  rotations.gradient.add_(angle);
}

class ApplyRotations : public torch::autograd::Function<ApplyRotations> {
 public:
  static torch::autograd::variable_list forward(torch::autograd::AutogradContext* context, const at::Tensor& qkv_BT3HD, int64_t heads, int64_t kind,
                                                const at::Tensor& value, const std::optional<at::Tensor>& gradient) {
    context->save_for_backward({qkv_BT3HD});
    context->saved_data["kind"] = kind;
    // Not through save_for_backward: the accumulator changes between forward and backward by design, which autograd would take for an error.
    context->saved_data["value"] = value;
    context->saved_data["gradient"] = gradient;
    auto [q, k, v] = turn(qkv_BT3HD, heads, {static_cast<Rotations::Kind>(kind), value, gradient.value_or(at::Tensor())});
    return {q, k, v};
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context, const torch::autograd::variable_list& grads) {
    const LayerRotations rotations{static_cast<Rotations::Kind>(context->saved_data["kind"].toInt()), context->saved_data["value"].toTensor(),
                                   context->saved_data["gradient"].toOptional<at::Tensor>().value_or(at::Tensor())};
    const auto dqkv = turn_backward(grads[0], grads[1], grads[2], context->get_saved_variables()[0], rotations);
    return {dqkv, at::Tensor(), at::Tensor(), at::Tensor(), at::Tensor()};
  }
};

}  // namespace

std::tuple<at::Tensor, at::Tensor, at::Tensor> turn(const at::Tensor& qkv_BT3HD, int64_t heads, const LayerRotations& rotations) {
  const at::NoGradGuard no_grad;
  const c10::impl::ExcludeDispatchKeyGuard no_autocast(c10::autocast_dispatch_keyset);
  const Shape s = shape_of(qkv_BT3HD, heads, rotations);
  auto q = at::empty({s.batch, s.heads, s.tokens + 1, s.dim}, qkv_BT3HD.options().requires_grad(false)), k = at::empty_like(q);
  q.select(2, 0).copy_(heads_first(qkv_BT3HD, 0, heads).select(2, 0));
  k.select(2, 0).copy_(heads_first(qkv_BT3HD, 1, heads).select(2, 0));
  if (rotations.kind == Rotations::Kind::kPairs)
    turn_pairs(qkv_BT3HD, s, rotations, q, k);
  else
    turn_blocks(qkv_BT3HD, s, rotations, q, k);
  return {q, k, heads_first(qkv_BT3HD, 2, heads).contiguous()};
}

at::Tensor turn_backward(const at::Tensor& dq_BHTD, const at::Tensor& dk_BHTD, const at::Tensor& dv_BHTD, const at::Tensor& qkv_BT3HD,
                         const LayerRotations& rotations) {
  const at::NoGradGuard no_grad;
  const c10::impl::ExcludeDispatchKeyGuard no_autocast(c10::autocast_dispatch_keyset);
  const int64_t heads = dq_BHTD.size(1);
  const Shape s = shape_of(qkv_BT3HD, heads, rotations);
  auto dqkv_BT3HD = at::empty_like(qkv_BT3HD);
  heads_first(dqkv_BT3HD, 2, heads).copy_(dv_BHTD);
  heads_first(dqkv_BT3HD, 0, heads).select(2, 0).copy_(dq_BHTD.select(2, 0));
  heads_first(dqkv_BT3HD, 1, heads).select(2, 0).copy_(dk_BHTD.select(2, 0));
  if (rotations.kind == Rotations::Kind::kPairs)
    turn_back_pairs(dqkv_BT3HD, dq_BHTD, dk_BHTD, qkv_BT3HD, s, rotations);
  else
    turn_back_blocks(dqkv_BT3HD, dq_BHTD, dk_BHTD, qkv_BT3HD, s, rotations);
  return dqkv_BT3HD;
}

std::tuple<torch::Tensor, torch::Tensor, torch::Tensor> apply_rotations(const torch::Tensor& qkv_BT3HD, int64_t heads, const Rotations& rotations,
                                                                        int64_t layer) {
  if (rotations.kind == Rotations::Kind::kNone) {
    const auto parts = qkv_BT3HD.unflatten(2, {3, heads, -1}).permute({2, 0, 3, 1, 4}).contiguous().unbind(0);
    return {parts[0], parts[1], parts[2]};
  }
  const int64_t index = rotations.layer_index(layer);
  const LayerRotations one{rotations.kind, rotations.value[index], rotations.wants_gradient() ? rotations.gradient[index] : at::Tensor()};
  if (!at::GradMode::is_enabled() || !qkv_BT3HD.requires_grad()) return turn(qkv_BT3HD.contiguous(), heads, one);
  const auto gradient = one.gradient.defined() ? std::optional<at::Tensor>(one.gradient) : std::nullopt;
  const auto turned = ApplyRotations::apply(qkv_BT3HD.contiguous(), heads, static_cast<int64_t>(one.kind), one.value, gradient);
  return {turned[0], turned[1], turned[2]};
}

}  // namespace liere
