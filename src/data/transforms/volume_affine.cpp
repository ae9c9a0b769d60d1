#include "data/transforms/volume_affine.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "core/check.h"

namespace liere {
namespace {

// One row and column of air before, two behind: places are held to [-1, size], where the taps are air alone, and `size` has a right neighbour.
constexpr int64_t kBefore = 1, kBorder = 3;
constexpr int64_t kUnit = 65536;  // places are multiples of 2^-16 pixel

int64_t fixed_place(double place, int64_t size) {
  return static_cast<int64_t>(std::nearbyint(std::clamp(place, -1.0, static_cast<double>(size)) * kUnit)) + kBefore * kUnit;
}

}  // namespace

void require_valid(const VolumeAugmentConfig& config) {
  const auto& scale = config.scale;
  if (scale.size() != 2 || !(scale[0] >= 0.1) || !(scale[0] <= scale[1]) || !(scale[1] <= 10)) {
    std::string found;
    for (const double value : scale) found += (found.empty() ? "" : ", ") + std::to_string(value);
    throw ConfigError("augment.volume.scale: expected [smallest, largest] magnification within 0.1..10, found [" + found + "].");
  }
}

VolumeMap draw_volume_map(const VolumeAugmentConfig& config, int64_t height, int64_t width, Rng& rng) {
  VolumeMap map;
  if (config.rotation > 0) map.degrees = rng.uniform(-config.rotation, config.rotation);
  if (config.scale[0] != 1 || config.scale[1] != 1) map.scale = rng.uniform(config.scale[0], config.scale[1]);
  if (config.shift > 0) {
    map.shift_rows = rng.uniform(-config.shift, config.shift) * static_cast<double>(height);
    map.shift_columns = rng.uniform(-config.shift, config.shift) * static_cast<double>(width);
  }
  map.mirrored = config.flip > 0 && rng.coin(config.flip);
  return map;
}

VolumeSampler::VolumeSampler(const Frames& hu, const VolumeMap& map, const VolumeKernels& kernels)
    : height_(hu.shape().height),
      width_(hu.shape().width),
      padded_width_(width_ + kBorder),
      padded_plane_((height_ + kBorder) * padded_width_),
      kernels_(kernels),
      padded_(static_cast<size_t>(hu.shape().frames * padded_plane_), kAirHu),
      offsets_(width_),
      x_(width_),
      y_(width_) {
  constexpr double kRadiansPerDegree = 0.017453292519943295;
  double sine, cosine;
  portable_sincos(map.degrees * kRadiansPerDegree, sine, cosine);
  const double mirror = map.mirrored ? -1.0 : 1.0;
  const double centre_x = static_cast<double>(width_ - 1) / 2, centre_y = static_cast<double>(height_ - 1) / 2;
  const double x0 = centre_x + map.shift_columns, y0 = centre_y + map.shift_rows;
  along_[0] = mirror * cosine / map.scale;
  along_[1] = -mirror * sine / map.scale;
  along_[2] = centre_x - along_[0] * x0 - along_[1] * y0;
  down_[0] = sine / map.scale;
  down_[1] = cosine / map.scale;
  down_[2] = centre_y - down_[0] * x0 - down_[1] * y0;
  const int16_t* from = hu.i16();
  for (int64_t t = 0; t < hu.shape().frames; ++t)
    for (int64_t y = 0; y < height_; ++y, from += width_)
      std::copy_n(from, width_, padded_.data() + t * padded_plane_ + (y + kBefore) * padded_width_ + kBefore);
}

void VolumeSampler::place(int64_t y) {
  for (int64_t i = 0; i < width_; ++i) {
    const auto x = static_cast<double>(i), row = static_cast<double>(y);
    const int64_t column_at = fixed_place((along_[0] * x + along_[1] * row) + along_[2], width_);
    const int64_t row_at = fixed_place((down_[0] * x + down_[1] * row) + down_[2], height_);
    offsets_[i] = static_cast<int32_t>(row_at / kUnit * padded_width_ + column_at / kUnit);
    x_[i] = static_cast<float>(column_at % kUnit) / kUnit;
    y_[i] = static_cast<float>(row_at % kUnit) / kUnit;
  }
}

void VolumeSampler::sample(int64_t t, float* out) const {
  kernels_.sample(padded_.data() + t * padded_plane_, offsets_.data(), x_.data(), y_.data(), padded_width_, width_, out);
}

}  // namespace liere
