// The kernels where they serve, else the reference for every device, in chunks: they keep the temporaries of one product in cache on the CPU and bound them on a GPU.
#include "models/kernels/rotation_exp.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <type_traits>

#include "models/kernels/device_dispatch.h"
#include "models/kernels/full_precision.h"
#include "models/kernels/rays.h"
#include "models/kernels/skew_exp.h"

namespace liere {
namespace {

/// Positions of the strict upper triangle in a flattened b x b matrix, row by row; transposed: of the mirrored entries. No host copy.
at::Tensor upper_index(int64_t b, bool transposed, at::Device device) {
  const auto rows_columns = at::triu_indices(b, b, 1, at::TensorOptions(device).dtype(at::kLong));
  return rows_columns[transposed ? 1 : 0] * b + rows_columns[transposed ? 0 : 1];
}

at::Tensor skew_from_upper(const at::Tensor& upper, int64_t b) {
  auto shape = upper.sizes().vec();
  shape.back() = b * b;
  auto full = at::zeros(shape, upper.options());
  full.index_copy_(-1, upper_index(b, false, upper.device()), upper);
  full.index_copy_(-1, upper_index(b, true, upper.device()), upper.neg());
  shape.back() = b;
  shape.push_back(b);
  return full.view(shape);
}

/// Calls body(first layer, layers, first token, tokens) over pieces whose matrices hold about `budget` entries.
template <class Body>
void for_each_chunk(int64_t layers, int64_t tokens, int64_t entries_per_token, bool cpu, const Body& body) {
  const int64_t budget = cpu ? int64_t{1} << 18 : int64_t{1} << 26;
  const int64_t layer_step = std::clamp<int64_t>(budget / std::max<int64_t>(1, tokens * entries_per_token), 1, layers);
  const int64_t token_step = std::clamp<int64_t>(budget / std::max<int64_t>(1, layer_step * entries_per_token), 1, std::max<int64_t>(1, tokens));
  for (int64_t layer = 0; layer < layers; layer += layer_step)
    for (int64_t token = 0; token < tokens; token += token_step)
      body(layer, std::min(layer_step, layers - layer), token, std::min(token_step, tokens - token));
}

/// M [l, t, H K, b, b] = sum_a p_a A_a for a piece of the layers and tokens, as [l t H K, b, b]. Written out: p = 0 gives exactly 0.
at::Tensor exponents(const at::Tensor& a_nLGbb, const at::Tensor& positions_Nn, int64_t layer, int64_t layers, int64_t token, int64_t tokens) {
  const int64_t groups = a_nLGbb.size(2), b = a_nLGbb.size(3);
  at::Tensor m;
  for (int64_t axis = 0; axis < a_nLGbb.size(0); ++axis) {
    const auto p = positions_Nn.narrow(0, token, tokens).select(1, axis).view({1, tokens, 1, 1, 1});
    const auto a = a_nLGbb.select(0, axis).narrow(0, layer, layers).unsqueeze(1);
    m = m.defined() ? m.addcmul_(p, a) : p * a;
  }
  return m.view({layers * tokens * groups, b, b});
}

at::Tensor reference_exp(const at::Tensor& generators_nLHKE, const at::Tensor& positions_Nn, int64_t block) {
  const FullPrecision guard;
  const int64_t layers = generators_nLHKE.size(1), heads = generators_nLHKE.size(2), blocks = generators_nLHKE.size(3), tokens = positions_Nn.size(0);
  const auto a_nLGbb = skew_from_upper(generators_nLHKE.detach(), block).flatten(2, 3);
  auto r_LNGbb = at::empty({layers, tokens, heads * blocks, block, block}, generators_nLHKE.options().requires_grad(false));
  for_each_chunk(layers, tokens, heads * blocks * block * block, r_LNGbb.is_cpu(), [&](int64_t layer, int64_t l, int64_t token, int64_t t) {
    auto piece = r_LNGbb.narrow(0, layer, l).narrow(1, token, t);
    piece.copy_(skew_exp(exponents(a_nLGbb, positions_Nn, layer, l, token, t)).view(piece.sizes()));
  });
  return r_LNGbb.view({layers, tokens, heads, blocks, block, block});
}

at::Tensor reference_exp_gradient(const at::Tensor& generators_nLHKE, const at::Tensor& positions_Nn, const at::Tensor& x_LNHKbb) {
  const FullPrecision guard;
  const int64_t axes = generators_nLHKE.size(0), layers = generators_nLHKE.size(1), tokens = positions_Nn.size(0), block = x_LNHKbb.size(-1);
  const auto a_nLGbb = skew_from_upper(generators_nLHKE.detach(), block).flatten(2, 3);
  const auto x_LNGbb = x_LNHKbb.flatten(2, 3);
  auto gradient_nLGbb = at::zeros_like(a_nLGbb);
  const int64_t groups = x_LNGbb.size(2);
  for_each_chunk(layers, tokens, groups * block * block, x_LNGbb.is_cpu(), [&](int64_t layer, int64_t l, int64_t token, int64_t t) {
    const auto m_mbb = exponents(a_nLGbb, positions_Nn, layer, l, token, t);
    const auto piece_mbb = x_LNGbb.narrow(0, layer, l).narrow(1, token, t).reshape(m_mbb.sizes());
    // phi1(ad_M)[X] = phi1(-ad_M)[X'] for X' = R X R^T.
    const auto dm_ltG = skew_exp_gradient(m_mbb.neg(), piece_mbb).view({l, t, groups * block * block});
    const auto p_nt = positions_Nn.narrow(0, token, t).t();
    const auto sum_nl = at::matmul(p_nt, dm_ltG).transpose(0, 1);  // dA_a = sum_p p_a dM_p
    gradient_nLGbb.narrow(1, layer, l).add_(sum_nl.reshape({axes, l, groups, block, block}));
  });
  return gradient_nLGbb.flatten(-2, -1).index_select(-1, upper_index(block, false, gradient_nLGbb.device())).view(generators_nLHKE.sizes());
}

/// The kernels' view of a call; `generators` and `positions` are kept contiguous here.
template <class T>
struct KernelCall {
  at::Tensor generators, positions;
  SkewExpPlan<T> plan;

  KernelCall(const at::Tensor& generators_nLHKE, const at::Tensor& positions_Nn, int64_t block)
      : generators(generators_nLHKE.detach().contiguous()), positions(positions_Nn.contiguous()) {
    plan = {.axes = generators.size(0),
            .layers = generators.size(1),
            .groups = generators.size(2) * generators.size(3),
            .tokens = positions.size(0),
            .block = block,
            .generators = generators.const_data_ptr<T>(),
            .positions = positions.const_data_ptr<T>()};
  }
};

/// Lets a device's kernels use the rays.
void set_rays(SkewExpPlan<float>& plan, const at::Tensor& table) {
  if (!table.defined()) return;
  plan.ray_count = table.numel() - 1 - plan.tokens;
  plan.ray_first = table.const_data_ptr<int32_t>();
  plan.ray_tokens = plan.ray_first + plan.ray_count + 1;
}

/// The GPU's kernels where they serve this call, else nullptr.
const DeviceExpKernels* device_exp(const KernelCall<float>& call) {
  const DeviceKernels* const device = device_kernels(call.generators);
  return device && device->exp.serves(call.plan) ? &device->exp : nullptr;
}

template <class T>
at::Tensor kernel_exp(const at::Tensor& generators_nLHKE, const at::Tensor& positions_Nn, int64_t block, const PointRays& rays) {
  KernelCall<T> call(generators_nLHKE, positions_Nn, block);
  const auto& g = call.generators;
  const auto r_LNHKbb = at::empty({g.size(1), call.plan.tokens, g.size(2), g.size(3), block, block}, g.options());
  call.plan.rotations = r_LNHKbb.template data_ptr<T>();
  if constexpr (std::is_same_v<T, float>)
    if (const DeviceExpKernels* const exp = device_exp(call)) {
      const c10::DeviceGuard device(g.device());
      set_rays(call.plan, rays.table);
      check_launch(exp->forward(call.plan, nullptr, stream_of(g)), "exp");
      return r_LNHKbb;
    }
  const auto& kernels = skew_exp_kernels<T>();
  at::parallel_for(0, kernels.items(call.plan), 1, [&](int64_t begin, int64_t end) { kernels.forward(call.plan, begin, end); });
  return r_LNHKbb;
}

template <class T>
at::Tensor kernel_exp_gradient(const at::Tensor& generators_nLHKE, const at::Tensor& positions_Nn, const at::Tensor& x_LNHKbb, const PointRays& rays) {
  KernelCall<T> call(generators_nLHKE, positions_Nn, x_LNHKbb.size(-1));
  const auto x = x_LNHKbb.contiguous();
  const auto gradient_nLHKE = at::empty_like(call.generators);
  call.plan.x = x.template const_data_ptr<T>();
  call.plan.gradient = gradient_nLHKE.template data_ptr<T>();
  if constexpr (std::is_same_v<T, float>)
    if (const DeviceExpKernels* const exp = device_exp(call)) {
      const c10::DeviceGuard device(x.device());
      const auto r = rays.rotations_LNHKbb.defined() ? rays.rotations_LNHKbb.contiguous() : at::Tensor();
      if (r.defined()) {
        call.plan.rotations = const_cast<float*>(r.template const_data_ptr<float>());  // backward only reads them
        set_rays(call.plan, rays.table);
      }
      // Freed on return: the allocator hands it out again only to work queued later on the same stream.
      const auto workspace = at::empty({exp->workspace(call.plan)}, x.options().dtype(at::kByte));
      check_launch(exp->backward(call.plan, workspace.data_ptr(), stream_of(x)), "exp's gradient");
      return gradient_nLHKE;
    }
  const auto& kernels = skew_exp_kernels<T>();
  at::parallel_for(0, kernels.items(call.plan), 1, [&](int64_t begin, int64_t end) { kernels.backward(call.plan, begin, end); });
  return gradient_nLHKE;
}

/// On the CPU the kernels serve every block side; on a GPU those of the device's table, in fp32.
bool kernels_serve(const at::Tensor& generators_nLHKE, const at::Tensor& positions_Nn, int64_t block, RotationPath path) {
  if (path != RotationPath::kKernels || generators_nLHKE.numel() == 0 || positions_Nn.numel() == 0) return false;
  if (generators_nLHKE.is_cpu()) return true;
  return generators_nLHKE.scalar_type() == at::kFloat && device_exp(KernelCall<float>(generators_nLHKE, positions_Nn, block)) != nullptr;
}

}  // namespace

at::Tensor ray_table_tensor(const at::Tensor& positions_Nn, torch::Device device) {
  const auto positions = positions_Nn.contiguous();
  const RayTable rays = ray_table(positions.const_data_ptr<float>(), positions.size(0), positions.size(1));
  const auto first = at::tensor(rays.first, at::kInt), tokens = at::tensor(rays.tokens, at::kInt);
  return at::cat({first, tokens}).to(device);
}

at::Tensor rotation_exp(const at::Tensor& generators_nLHKE, const at::Tensor& positions_Nn, int64_t block, RotationPath path, const PointRays& rays) {
  if (!kernels_serve(generators_nLHKE, positions_Nn, block, path)) return reference_exp(generators_nLHKE, positions_Nn, block);
  return generators_nLHKE.scalar_type() == at::kDouble ? kernel_exp<double>(generators_nLHKE, positions_Nn, block, rays)
                                                       : kernel_exp<float>(generators_nLHKE, positions_Nn, block, rays);
}

at::Tensor rotation_exp_gradient(const at::Tensor& generators_nLHKE, const at::Tensor& positions_Nn, const at::Tensor& x_LNHKbb, RotationPath path, const PointRays& rays) {
  if (!kernels_serve(generators_nLHKE, positions_Nn, x_LNHKbb.size(-1), path))
    return reference_exp_gradient(generators_nLHKE, positions_Nn, x_LNHKbb);
  return generators_nLHKE.scalar_type() == at::kDouble ? kernel_exp_gradient<double>(generators_nLHKE, positions_Nn, x_LNHKbb, rays)
                                                       : kernel_exp_gradient<float>(generators_nLHKE, positions_Nn, x_LNHKbb, rays);
}

}  // namespace liere
