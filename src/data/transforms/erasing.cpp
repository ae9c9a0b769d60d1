#include "data/transforms/erasing.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "core/check.h"

namespace liere {

std::optional<DrawnErasing> draw_erasing(double probability, int64_t height, int64_t width, Rng& rng) {
  if (probability <= 0 || !rng.coin(probability)) return std::nullopt;
  constexpr double kSmallest = 0.02, kLargest = 1.0 / 3.0;
  const double narrow = portable_log(0.3), wide = portable_log(1 / 0.3);
  for (int attempt = 0; attempt < 100; ++attempt) {
    const double area = rng.uniform(kSmallest, kLargest) * static_cast<double>(height * width);
    const double aspect = portable_exp(rng.uniform(narrow, wide));
    // nearbyint: halves to even in the default rounding mode.
    const auto box_height = static_cast<int64_t>(std::nearbyint(std::sqrt(area * aspect))),
               box_width = static_cast<int64_t>(std::nearbyint(std::sqrt(area / aspect)));
    if (box_height < 1 || box_width < 1 || box_height >= height || box_width >= width) continue;
    const int64_t top = rng.integer(height - box_height + 1), left = rng.integer(width - box_width + 1);
    return DrawnErasing{{top, left, box_height, box_width}, rng.bits64()};
  }
  return std::nullopt;
}

void erase(float* values_CTHW, const FrameShape& shape, const DrawnErasing& erasing) {
  const auto& box = erasing.box;
  if (box.top < 0 || box.left < 0 || box.height < 1 || box.width < 1 || box.top + box.height > shape.height || box.left + box.width > shape.width)
    throw DataError("erasing: expected a box inside the picture of " + std::to_string(shape.height) + "x" + std::to_string(shape.width) + ", found " +
                    std::to_string(box.height) + "x" + std::to_string(box.width) + " at row " + std::to_string(box.top) + ", column " +
                    std::to_string(box.left));
  std::vector<float> noise(shape.frames * shape.channels * box.height * box.width);
  fill_normal(erasing.noise_key, noise.data(), static_cast<int64_t>(noise.size()), 0, 1);
  const float* from = noise.data();
  for (int64_t t = 0; t < shape.frames; ++t)
    for (int64_t c = 0; c < shape.channels; ++c)
      for (int64_t row = 0; row < box.height; ++row, from += box.width)
        std::copy_n(from, box.width, values_CTHW + ((c * shape.frames + t) * shape.height + box.top + row) * shape.width + box.left);
}

}  // namespace liere
