#include "data/transforms/random_resized_crop.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "core/check.h"

namespace liere {
namespace {

// nearbyint: halves to even in the default rounding mode.
int64_t rounded(double value) { return static_cast<int64_t>(std::nearbyint(value)); }

Box centred_box(const RandomResizedCropConfig& config, PictureSize picture) {
  const double low = config.ratio[0], high = config.ratio[1];
  const auto height = static_cast<double>(picture.height), width = static_cast<double>(picture.width);
  PictureSize size = picture;
  if (width / height < low)
    size.height = std::clamp<int64_t>(rounded(width / low), 1, picture.height);
  else if (width / height > high)
    size.width = std::clamp<int64_t>(rounded(height * high), 1, picture.width);
  return {(picture.height - size.height) / 2, (picture.width - size.width) / 2, size.height, size.width};
}

}  // namespace

void require_valid(const RandomResizedCropConfig& config) {
  const auto text = [](const std::vector<double>& values) {
    std::string all;
    for (const double value : values) all += (all.empty() ? "" : ", ") + std::to_string(value);
    return "[" + all + "]";
  };
  const auto& scale = config.scale;
  if (scale.size() != 2 || !(scale[0] > 0 && scale[0] <= scale[1] && scale[1] <= 1))
    throw ConfigError("augment.random_resized_crop.scale: expected two shares of the area, 0 < low <= high <= 1, found " + text(scale) +
                      ". The usual values are [0.08, 1].");
  const auto& ratio = config.ratio;
  if (ratio.size() != 2 || !(ratio[0] > 0 && ratio[0] <= ratio[1]))
    throw ConfigError("augment.random_resized_crop.ratio: expected two aspects (width over height), 0 < low <= high, found " + text(ratio) +
                      ". The usual values are [0.75, 1.3333333333333333].");
}

PictureSize resized_crop_size(PictureSize picture, double share, double aspect) {
  const double area = static_cast<double>(picture.height * picture.width) * share;
  return {rounded(std::sqrt(area / aspect)), rounded(std::sqrt(area * aspect))};
}

Box draw_random_resized_crop(const RandomResizedCropConfig& config, PictureSize picture, Rng& rng) {
  const double low = portable_log(config.ratio[0]), high = portable_log(config.ratio[1]);
  for (int attempt = 0; attempt < 10; ++attempt) {
    const double share = rng.uniform(config.scale[0], config.scale[1]);
    const auto size = resized_crop_size(picture, share, portable_exp(rng.uniform(low, high)));
    if (size.height < 1 || size.width < 1 || size.height > picture.height || size.width > picture.width) continue;
    const int64_t top = rng.integer(picture.height - size.height + 1), left = rng.integer(picture.width - size.width + 1);
    return {top, left, size.height, size.width};
  }
  return centred_box(config, picture);
}

}  // namespace liere
