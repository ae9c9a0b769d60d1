#include "models/kernels/fused_attention.h"

#include <ATen/Parallel.h>

#include <cmath>

#include "models/kernels/device_dispatch.h"
#include "models/kernels/short_attention.h"

namespace liere {
namespace {

bool is_short(const at::Tensor& q_BHTD) { return q_BHTD.scalar_type() == at::kBFloat16 && short_attention_serves(q_BHTD.size(2), q_BHTD.size(3)); }

const Bfloat16Bits* in(const at::Tensor& x) { return static_cast<const Bfloat16Bits*>(x.const_data_ptr()); }
Bfloat16Bits* out(const at::Tensor& x) { return static_cast<Bfloat16Bits*>(x.mutable_data_ptr()); }
HeadStrides strides(const at::Tensor& x_BHTD) { return {x_BHTD.stride(0), x_BHTD.stride(1), x_BHTD.stride(2)}; }

ShortAttention plan(const AttentionHeads& x, const at::Tensor& mixed_BTW, const at::Tensor& lse) {
  const int64_t heads = x.q.size(1), tokens = x.q.size(2), dim = x.q.size(3);
  ShortAttention p{};
  p.heads = heads;
  p.tokens = tokens;
  p.dim = dim;
  p.scale = static_cast<float>(1 / std::sqrt(static_cast<double>(dim)));
  p.q = in(x.q);
  p.k = in(x.k);
  p.v = in(x.v);
  p.in = strides(x.q);
  p.out = {tokens * heads * dim, dim, heads * dim};
  p.o = out(mixed_BTW);
  p.lse = lse.data_ptr<float>();
  return p;
}

/// Room for o and lse, and the plan that fills it.
struct ShortCall {
  Attended result;
  ShortAttention plan;
};
ShortCall short_call(const AttentionHeads& x) {
  const int64_t batch = x.q.size(0), heads = x.q.size(1), tokens = x.q.size(2), dim = x.q.size(3);
  ShortCall call{{at::empty({batch, tokens, heads * dim}, x.q.options()), at::empty({batch, heads, tokens}, x.q.options().dtype(at::kFloat)), {}, {}}, {}};
  call.plan = plan(x, call.result.mixed_BTW, call.result.lse);
  return call;
}
/// Gradients in the layout of what they belong to, where the kernels write them.
AttentionHeads room_for_gradients(const AttentionHeads& x) {
  const int64_t batch = x.q.size(0), heads = x.q.size(1), tokens = x.q.size(2), dim = x.q.size(3);
  return x.k.is_alias_of(x.q) ? heads_of(at::empty({batch, tokens, 3 * heads * dim}, x.q.options()), heads)
                              : AttentionHeads{at::empty_like(x.q), at::empty_like(x.k), at::empty_like(x.v)};
}
ShortAttention backward_plan(const AttentionHeads& x, const Attended& attended, const at::Tensor& dmixed_BTW, const AttentionHeads& dx) {
  auto p = plan(x, attended.mixed_BTW, attended.lse);
  p.d_o = in(dmixed_BTW);
  p.dq = out(dx.q);
  p.dk = out(dx.k);
  p.dv = out(dx.v);
  return p;
}

constexpr auto kOwnKernel = at::SDPBackend::overrideable;  // Attended::backend of the GPU's short_attention

/// The GPU's kernels, where they may serve: bfloat16, and torch's backends are not narrowed down to one.
const DeviceKernels* short_kernels(const at::Tensor& q) {
  const auto& context = at::globalContext();
  const bool free_choice = context.userEnabledFlashSDP() && context.userEnabledMemEfficientSDP() && context.userEnabledMathSDP() && context.userEnabledCuDNNSDP();
  return q.scalar_type() == at::kBFloat16 && free_choice ? device_kernels(q) : nullptr;
}

at::Tensor by_head(const at::Tensor& y_BTW, const at::Tensor& q_BHTD) {
  return y_BTW.view({q_BHTD.size(0), q_BHTD.size(2), q_BHTD.size(1), q_BHTD.size(3)}).transpose(1, 2);
}
at::Tensor side_by_side(const at::Tensor& y_BHTD) { return y_BHTD.transpose(1, 2).flatten(2); }

/// softmax(q k^T / sqrt(d)) of float32 or wider.
at::Tensor scores(const AttentionHeads& x) {
  const auto wide = at::promote_types(x.q.scalar_type(), at::kFloat);
  return at::matmul(x.q, x.k.transpose(2, 3)).to(wide) / std::sqrt(static_cast<double>(x.q.size(3)));
}

Attended gpu_attend(const AttentionHeads& x) {
  const bool padded = x.q.size(3) % 8 != 0;  // the fused forms would pad the channels
  const auto backend = padded ? at::SDPBackend::math : static_cast<at::SDPBackend>(at::_fused_sdp_choice(x.q, x.k, x.v));
  switch (backend) {
    case at::SDPBackend::flash_attention: {
      const auto r = at::_scaled_dot_product_flash_attention(x.q, x.k, x.v);
      return {side_by_side(std::get<0>(r)), std::get<1>(r), std::get<6>(r), std::get<7>(r), backend};
    }
    case at::SDPBackend::cudnn_attention: {
      const auto r = at::_scaled_dot_product_cudnn_attention(x.q, x.k, x.v, /*attn_bias=*/std::nullopt, /*compute_log_sumexp=*/true);
      return {side_by_side(std::get<0>(r)), std::get<1>(r), std::get<6>(r), std::get<7>(r), backend};
    }
    case at::SDPBackend::efficient_attention: {
      const auto r = at::_scaled_dot_product_efficient_attention(x.q, x.k, x.v, /*attn_bias=*/std::nullopt, /*compute_log_sumexp=*/true);
      return {side_by_side(std::get<0>(r)), std::get<1>(r), std::get<2>(r), std::get<3>(r), backend};
    }
    default:
      return plain_attend(x);
  }
}

AttentionHeads gpu_attend_backward(const AttentionHeads& x, const Attended& attended, const at::Tensor& dmixed_BTW) {
  const auto d_o = by_head(dmixed_BTW, x.q), o = by_head(attended.mixed_BTW, x.q);
  const int64_t tokens = x.q.size(2);
  switch (attended.backend) {
    case at::SDPBackend::flash_attention: {
      auto [dq, dk, dv] = at::_scaled_dot_product_flash_attention_backward(d_o, x.q, x.k, x.v, o, attended.lse, {}, {}, tokens, tokens, /*dropout_p=*/0, /*is_causal=*/false,
                                                                           attended.seed, attended.offset);
      return {dq, dk, dv};
    }
    case at::SDPBackend::cudnn_attention: {
      auto [dq, dk, dv] = at::_scaled_dot_product_cudnn_attention_backward(d_o, x.q, x.k, x.v, o, attended.lse, attended.seed, attended.offset, /*attn_bias=*/{}, {}, {}, tokens, tokens,
                                                                           /*dropout_p=*/0, /*is_causal=*/false);
      return {dq, dk, dv};
    }
    case at::SDPBackend::efficient_attention: {
      auto [dq, dk, dv, unused] = at::_scaled_dot_product_efficient_attention_backward(d_o, x.q, x.k, x.v, /*attn_bias=*/{}, o, attended.lse, attended.seed, attended.offset,
                                                                                       /*dropout_p=*/0, {true, true, true, false});
      return {dq, dk, dv};
    }
    default:
      return plain_attend_backward(x, attended, dmixed_BTW);
  }
}

}  // namespace

Attended plain_attend(const AttentionHeads& x) {
  const auto scores_BHTT = scores(x), lse = scores_BHTT.logsumexp(-1);
  const auto probability = (scores_BHTT - lse.unsqueeze(-1)).exp().to(x.v.scalar_type());
  return {side_by_side(at::matmul(probability, x.v)), lse, {}, {}, at::SDPBackend::math};
}

/// ds = p (dp - sum p dp), dp = do v^T, and sum p dp = sum do o.
AttentionHeads plain_attend_backward(const AttentionHeads& x, const Attended& attended, const at::Tensor& dmixed_BTW) {
  const auto d_o = by_head(dmixed_BTW, x.q), o = by_head(attended.mixed_BTW, x.q);
  const auto probability = (scores(x) - attended.lse.unsqueeze(-1)).exp();
  const auto delta = (d_o.to(probability.scalar_type()) * o).sum(-1, true);
  const auto dscores = ((at::matmul(d_o, x.v.transpose(2, 3)) - delta) * probability / std::sqrt(static_cast<double>(x.q.size(3)))).to(x.q.scalar_type());
  return {at::matmul(dscores, x.k), at::matmul(dscores.transpose(2, 3), x.q), at::matmul(probability.to(d_o.scalar_type()).transpose(2, 3), d_o)};
}

AttentionHeads heads_of(const at::Tensor& qkv_BT3HD, int64_t heads) {
  const auto parts = qkv_BT3HD.unflatten(2, {3, heads, -1}).permute({2, 0, 3, 1, 4}).unbind(0);
  return {parts[0], parts[1], parts[2]};
}

bool own_attention_serves(const at::Tensor& like, int64_t tokens, int64_t dim) {
  const auto* kernels = short_kernels(like);
  ShortAttention sizes{};
  sizes.tokens = tokens;
  sizes.dim = dim;
  return kernels && kernels->attention.serves(sizes);
}

Attended attend(const AttentionHeads& x) {
  if (const auto* kernels = short_kernels(x.q)) {
    auto call = short_call(x);
    if (kernels->attention.serves(call.plan)) {
      check_launch(kernels->attention.forward(call.plan, x.q.size(0) * x.q.size(1), stream_of(x.q)), "attention");
      call.result.backend = kOwnKernel;
      return call.result;
    }
  }
  if (!x.q.is_cpu()) return gpu_attend(x);
  if (!is_short(x.q)) {
    const auto [mixed_BHTD, lse] = at::_scaled_dot_product_flash_attention_for_cpu(x.q, x.k, x.v);
    return {side_by_side(mixed_BHTD), lse, {}, {}};
  }
  const auto call = short_call(x);
  at::parallel_for(0, x.q.size(0) * x.q.size(1), 1, [&](int64_t begin, int64_t end) { short_attention(call.plan, begin, end); });
  return call.result;
}

AttentionHeads attend_backward(const AttentionHeads& x, const Attended& attended, const at::Tensor& dmixed_BTW) {
  if (attended.backend == kOwnKernel) {
    const auto dx = room_for_gradients(x);
    check_launch(device_kernels(x.q)->attention.backward(backward_plan(x, attended, dmixed_BTW, dx), x.q.size(0) * x.q.size(1), stream_of(x.q)), "attention");
    return dx;
  }
  if (!x.q.is_cpu()) return gpu_attend_backward(x, attended, dmixed_BTW);
  if (!is_short(x.q)) {
    auto [dq, dk, dv] = at::_scaled_dot_product_flash_attention_for_cpu_backward(by_head(dmixed_BTW, x.q), x.q, x.k, x.v, by_head(attended.mixed_BTW, x.q), attended.lse,
                                                                                 /*dropout_p=*/0, /*is_causal=*/false);
    return {dq, dk, dv};
  }
  const auto dx = room_for_gradients(x);
  const auto p = backward_plan(x, attended, dmixed_BTW, dx);
  at::parallel_for(0, x.q.size(0) * x.q.size(1), 1, [&](int64_t begin, int64_t end) { short_attention_backward(p, begin, end); });
  return dx;
}

at::Tensor heads_backward(const AttentionHeads& d, const AttentionHeads& x, const LayerRotations& rotations) {
  const int64_t batch = d.q.size(0), heads = d.q.size(1), tokens = d.q.size(2), dim = d.q.size(3);
  const bool turned = rotations.kind != Rotations::Kind::kNone;
  // Views of one tensor (attend_backward) are that tensor; anything else is brought together.
  if (d.k.is_alias_of(d.q) && d.v.is_alias_of(d.q) && d.q.storage_offset() == 0 && d.q.stride(2) == 3 * heads * dim) {
    if (turned) turn_backward({d.q, d.k}, {x.q, x.k}, {d.q, d.k}, rotations);
    return d.q.as_strided({batch, tokens, 3 * heads * dim}, {tokens * 3 * heads * dim, 3 * heads * dim, 1});
  }
  const auto dqkv_BT3HD = at::empty({batch, tokens, 3 * heads * dim}, d.q.options());
  const auto out = heads_of(dqkv_BT3HD, heads);
  out.v.copy_(d.v);
  if (!turned) {
    out.q.copy_(d.q);
    out.k.copy_(d.k);
    return dqkv_BT3HD;
  }
  turn_backward({d.q, d.k}, {x.q, x.k}, {out.q, out.k}, rotations);
  return dqkv_BT3HD;
}

}  // namespace liere
