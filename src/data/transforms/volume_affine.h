// One affine map in the plane of the slices, the same for all slices of a CT volume, with bilinear sampling; what lies outside is air.
// What is seen is mirrored, turned by the angle t (counter-clockwise as the slice is looked at, rows downwards), magnified by s about the centre c =
// ((W - 1) / 2, (H - 1) / 2), then moved by (dx, dy): output (x, y) shows the place
//   c + F [cos t, -sin t; sin t, cos t] (x - c_x - dx, y - c_y - dy) / s,    F = diag(-1, 1) where it is mirrored, else I,
// in double, rounded to 2^-16 pixel: mirrors and quarter turns come out exact. A tap beyond the slice counts as -1024 HU.
#pragma once

#include <vector>

#include "core/rng.h"
#include "data/augment_config.h"
#include "data/sample.h"
#include "data/transforms/volume_kernels.h"

namespace liere {

constexpr int16_t kAirHu = -1024;

struct VolumeMap {
  double degrees = 0, scale = 1, shift_rows = 0, shift_columns = 0;  // shifts in pixels
  bool mirrored = false;
  bool identity() const { return *this == VolumeMap{}; }
  bool operator==(const VolumeMap&) const = default;
};

/// Throws ConfigError unless scale is [low, high], 0.1 <= low <= high <= 10.
void require_valid(const VolumeAugmentConfig& config);

/// Order of the draws: the angle, the magnification, the shift of rows, of columns (uniforms), the mirror (a coin); a part that is off draws nothing.
VolumeMap draw_volume_map(const VolumeAugmentConfig& config, int64_t height, int64_t width, Rng& rng);

/// Rows of mapped slices: one row at a time of all slices, so that its places are computed once.
class VolumeSampler {
 public:
  /// `hu`: i16 [D, H, W, 1]; copied, with a border of air.
  VolumeSampler(const Frames& hu, const VolumeMap& map, const VolumeKernels& kernels);
  /// The places that row `y` shows.
  void place(int64_t y);
  /// That row of slice `t` -> out [W], HU.
  void sample(int64_t t, float* out) const;

 private:
  int64_t height_, width_, padded_width_, padded_plane_;
  double along_[3], down_[3];  // column and row shown: a x + b y + c
  const VolumeKernels& kernels_;
  std::vector<int16_t> padded_;
  std::vector<int32_t> offsets_;
  std::vector<float> x_, y_;
};

}  // namespace liere
