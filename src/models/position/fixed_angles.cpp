#include "models/position/fixed_angles.h"

namespace liere {

Rotations FixedAngles::rotations(const TokenGrid& grid, bool) const {
  if (!made_.defined() || made_for_ != grid || made_.scalar_type() != like_.scalar_type() || made_.device() != like_.device()) {
    const auto angle_NP = angles(grid);
    made_ = at::stack({angle_NP.cos(), angle_NP.sin()}, -1).to(like_.options()).view({1, grid.tokens(), 1, angle_NP.size(1), 2});
    made_for_ = grid;
  }
  return {.kind = Rotations::Kind::kPairs, .value = made_, .path = path()};
}

}  // namespace liere
