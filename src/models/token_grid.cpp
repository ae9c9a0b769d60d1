#include "models/token_grid.h"

#include "core/check.h"
#include "models/axis_position.h"

namespace liere {

int64_t TokenGrid::tokens() const {
  int64_t product = 1;
  for (const int64_t m : now) product *= m;
  return product;
}

torch::Tensor grid_positions(const TokenGrid& grid, PositionRule rule, torch::Dtype dtype) {
  if (grid.trained.size() != grid.now.size())
    throw ConfigError("A token grid of " + std::to_string(grid.now.size()) + " axes was given to a model trained on " +
                      std::to_string(grid.trained.size()) + " axes.");
  if (rule == PositionRule::kPhysical && grid.extent.size() != grid.now.size())
    throw ConfigError("Physical positions need model.field_of_view, which this model does not have.");
  const int64_t axes = grid.axes();
  auto positions_Nn = at::empty({grid.tokens(), axes}, at::kDouble);
  int64_t inner = 1;  // tokens from one index of the axis to the next; the last axis runs fastest
  double* const out = positions_Nn.data_ptr<double>();
  for (int64_t axis = axes - 1; axis >= 0; --axis) {
    const int64_t now = grid.now[axis];
    for (int64_t token = 0; token < grid.tokens(); ++token)
      out[token * axes + axis] = axis_position(rule, token / inner % now, now, grid.trained[axis], rule == PositionRule::kPhysical ? grid.extent[axis] : 0);
    inner *= now;
  }
  return positions_Nn.to(dtype);
}

}  // namespace liere
