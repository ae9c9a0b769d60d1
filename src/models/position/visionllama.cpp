#include "models/position/visionllama.h"

namespace liere {

VisionLlama::VisionLlama(const VisionLlamaConfig& config, const BackboneShape& shape) : rule_(config.positions), head_dim_(shape.head_dim) {
  if (config.absolute) add_absolute_table(shape);
  like_ = register_buffer("like", at::empty({0}, shape.device));
}

Rotations VisionLlama::rotations(const TokenGrid& grid, bool) const {
  const int64_t tokens = grid.tokens(), frequencies = head_dim_ / grid.axes() / 2, pairs = head_dim_ / 2;
  const auto frequency_K = at::linspace(0, -4, frequencies, at::kDouble).exp();
  const auto turned_NaK = grid_positions(grid, rule_, at::kDouble).unsqueeze(2) * frequency_K;
  const auto angle_NP = at::zeros({tokens, pairs}, at::kDouble);
  angle_NP.narrow(1, 0, grid.axes() * frequencies).copy_(turned_NaK.flatten(1));
  const auto value = at::stack({angle_NP.cos(), angle_NP.sin()}, -1).to(like_.options());
  return {.kind = Rotations::Kind::kPairs, .value = value.view({1, tokens, 1, pairs, 2}), .path = path()};
}

}  // namespace liere
