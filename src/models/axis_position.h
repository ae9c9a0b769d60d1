// The position of one token along one axis, in units of the training extent (paper section 3; models/token_grid.h has the rules in words).
#pragma once

#include <cstdint>

#include "models/position_config.h"

namespace liere {

/// Token i of `now`, `trained` of them at the training size. `extent`: of the field of view in reference extents, read by kPhysical alone.
inline double axis_position(PositionRule rule, int64_t i, int64_t now, int64_t trained, double extent) {
  if (rule == PositionRule::kIndex) return static_cast<double>(i);
  if (rule == PositionRule::kPhysical) return (static_cast<double>(i) + 0.5) / static_cast<double>(now) * extent;
  if (now == 1) return 0;
  const double reach = rule == PositionRule::kFixed ? 1.0 : static_cast<double>(now) / static_cast<double>(trained);
  return static_cast<double>(i) * reach / static_cast<double>(now - 1);
}

}  // namespace liere
