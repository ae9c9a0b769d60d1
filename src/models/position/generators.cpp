#include "models/position/generators.h"

#include "models/initialize.h"
#include "models/kernels/device_dispatch.h"
#include "models/kernels/rotation_exp.h"

namespace liere {

GeneratorEncoding::GeneratorEncoding(const GeneratorSettings& settings, const BackboneShape& shape)
    : block_size_(settings.block_size), init_scale_(settings.init_scale), rule_(settings.positions) {
  const bool over_layers = settings.share == Share::kLayers || settings.share == Share::kBoth,
             over_heads = settings.share == Share::kHeads || settings.share == Share::kBoth;
  const int64_t b = settings.block_size, axes = static_cast<int64_t>(shape.trained_grid.size());
  generators_nLHKE_ = register_parameter(
      "generators", at::empty({axes, over_layers ? 1 : shape.depth, over_heads ? 1 : shape.heads, shape.head_dim / b, b * (b - 1) / 2},
                              at::dtype(at::kFloat).device(shape.device)));
  if (settings.absolute) add_absolute_table(shape);
}

void GeneratorEncoding::initialize(uint64_t seed) {
  PositionEncoding::initialize(seed);
  initialize_uniform(generators_nLHKE_, seed, "generators", 0, init_scale_);
}

torch::Tensor GeneratorEncoding::generators() const {
  const auto generators = generators_nLHKE_.detach();
  return generators.scalar_type() == at::kDouble ? generators : generators.to(at::kFloat);
}

torch::Tensor GeneratorEncoding::positions(const TokenGrid& grid) const {
  const auto like = generators();
  if (!cached_positions_Nn_.defined() || cached_grid_ != grid || cached_rule_ != rule_ || cached_positions_Nn_.scalar_type() != like.scalar_type() ||
      cached_positions_Nn_.device() != like.device()) {
    const auto made = grid_positions(grid, rule_, like.scalar_type());
    cached_rays_ = device_kernels(like) && like.scalar_type() == at::kFloat ? ray_table_tensor(made, like.device()) : torch::Tensor();
    cached_positions_Nn_ = made.to(like.device());
    cached_grid_ = grid;
    cached_rule_ = rule_;
  }
  return cached_positions_Nn_;
}

Rotations GeneratorEncoding::rotations(const TokenGrid& grid, bool with_gradient) const {
  const at::NoGradGuard no_grad;
  const auto now = generators(), at = positions(grid);
  const bool same = made_from_nLHKE_.defined() && now.is_cpu() && made_.path == path() && made_at_Nn_.is_same(at) &&
                    made_from_nLHKE_.scalar_type() == now.scalar_type() && torch::equal(made_from_nLHKE_, now);
  if (!same) {
    made_ = make_rotations(now, at);
    made_.path = path();
    made_from_nLHKE_ = now.is_cpu() ? now.clone() : torch::Tensor();
    made_at_Nn_ = at;
  }
  Rotations set = made_;
  if (with_gradient)
    set.gradient = at::zeros_like(set.kind == Rotations::Kind::kPairs ? set.value.select(-1, 0) : set.value, at::MemoryFormat::Contiguous);
  return set;
}

void GeneratorEncoding::accumulate_gradients(const Rotations& set, const TokenGrid& grid) {
  TORCH_CHECK(set.wants_gradient(), "the rotations were made without a gradient: call rotations(grid, true) in training");
  const at::NoGradGuard no_grad;
  const auto gradient = gradient_of(set, positions(grid)).to(generators_nLHKE_.scalar_type());
  if (auto& existing = generators_nLHKE_.mutable_grad(); existing.defined())
    existing.add_(gradient);
  else
    existing = gradient;
}

}  // namespace liere
