#include "models/position/visionllama.h"

namespace liere {

VisionLlama::VisionLlama(const VisionLlamaConfig& config, const BackboneShape& shape) : FixedAngles(shape), rule_(config.positions), head_dim_(shape.head_dim) {
  if (config.absolute) add_absolute_table(shape);
}

torch::Tensor VisionLlama::angles(const TokenGrid& grid) const {
  const int64_t tokens = grid.tokens(), frequencies = head_dim_ / grid.axes() / 2, pairs = head_dim_ / 2;
  const auto frequency_K = at::linspace(0, -4, frequencies, at::kDouble).exp();
  const auto turned_NaK = grid_positions(grid, rule_, at::kDouble).unsqueeze(2) * frequency_K;
  const auto angle_NP = at::zeros({tokens, pairs}, at::kDouble);
  angle_NP.narrow(1, 0, grid.axes() * frequencies).copy_(turned_NaK.flatten(1));
  return angle_NP;
}

}  // namespace liere
