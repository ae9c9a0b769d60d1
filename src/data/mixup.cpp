#include "data/mixup.h"

#include <algorithm>
#include <cmath>

#include "core/rng.h"

namespace liere {

MixBox cutmix_box(int64_t row, int64_t column, double lambda, int64_t height, int64_t width) {
  const double side = std::sqrt(1 - lambda);
  const auto half_rows = static_cast<int64_t>(static_cast<double>(height) * side) / 2, half_columns = static_cast<int64_t>(static_cast<double>(width) * side) / 2;
  const auto cut = [](int64_t value, int64_t limit) { return std::clamp<int64_t>(value, 0, limit); };
  return {cut(row - half_rows, height), cut(row + half_rows, height), cut(column - half_columns, width), cut(column + half_columns, width)};
}

Mix draw_mix(const MixupConfig& config, uint64_t seed, int64_t step, int64_t height, int64_t width) {
  if (!config.enabled()) return {};
  Rng rng(seed, Purpose::kMixup, static_cast<uint32_t>(step));
  if (!rng.coin(config.probability)) return {};
  const bool cut = config.cutmix_alpha > 0 && (config.alpha == 0 || rng.coin(config.switch_probability));
  const double alpha = cut ? config.cutmix_alpha : config.alpha;
  const double lambda = rng.beta(alpha, alpha);
  if (!cut) return {Mix::Kind::kMixup, lambda, {}};
  const int64_t row = rng.integer(height), column = rng.integer(width);
  const auto box = cutmix_box(row, column, lambda, height, width);
  const double area = static_cast<double>((box.bottom - box.top) * (box.right - box.left));
  return {Mix::Kind::kCutmix, 1 - area / static_cast<double>(height * width), box};
}

}  // namespace liere
