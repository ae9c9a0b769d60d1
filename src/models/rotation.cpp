#include "models/rotation.h"

namespace liere {

double orthogonality_error(const Rotations& rotations) {
  const at::NoGradGuard no_grad;
  if (rotations.kind == Rotations::Kind::kNone) return 0;
  if (rotations.kind == Rotations::Kind::kPairs) return (rotations.value.square().sum(-1) - 1).abs().max().item<double>();
  const auto matrices = rotations.value.flatten(0, -3);
  return (at::bmm(matrices.transpose(1, 2), matrices) - at::eye(matrices.size(-1), matrices.options())).abs().max().item<double>();
}

}  // namespace liere
