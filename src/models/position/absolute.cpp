#include "models/position/absolute.h"

namespace liere {

torch::Tensor interpolate_absolute_table(const torch::Tensor& table_TW, const TokenGrid& grid) {
  if (grid.now == grid.trained) return table_TW;
  std::vector<int64_t> planes = {1, table_TW.size(1)};
  planes.insert(planes.end(), grid.trained.begin(), grid.trained.end());
  const auto patches = table_TW.narrow(0, 1, table_TW.size(0) - 1).t().reshape(planes);  // [1, W, axes...]
  at::Tensor resized;
  switch (grid.axes()) {
    case 1:
      resized = at::upsample_linear1d(patches, grid.now, /*align_corners=*/false);
      break;
    case 2:
      resized = at::upsample_bicubic2d(patches, grid.now, /*align_corners=*/false);
      break;
    default:
      resized = at::upsample_trilinear3d(patches, grid.now, /*align_corners=*/false);
      break;
  }
  return at::cat({table_TW.narrow(0, 0, 1), resized.flatten(2).squeeze(0).t()});
}

}  // namespace liere
