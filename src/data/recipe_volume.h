// The recipes of CT volumes in Hounsfield units: what the model sees of a study. No published recipe fixes them; they are this program's own.
//   eval   resampled where the input's size is not the volume's -> per window, a channel: x = clamp((HU - (L - W / 2)) / W, 0, 1) -> (x - 0.5) / 0.5,
//   computed as
//          clamp((HU - L) * (2 / W), -1, 1), 2 / W rounded to float
//   train  the same of: one affine map in the plane of the slices, normal noise in HU, all windows' level and width changed alike
// One draw serves the whole volume, in this order: the map (draw_volume_map), the windows' level and width (uniforms), the noise (64 bits: the key of
// fill_normal, whose numbers run over slices, rows, columns). A part of augment.volume that is off draws nothing.
// Operations that need 8-bit colours (RandAugment, colour jitter, ..) have no meaning for Hounsfield units and are refused.
#pragma once

#include <memory>

#include "data/config.h"
#include "data/recipe.h"

namespace liere {

/// From i16 [D, H, W, 1], whole, to [windows, frames, height, width]. Throws ConfigError for a configuration or size that cannot be; a plan throws
/// DataError, naming the sample, for a source that is not a volume. `plan` is const and thread-safe; the same Rng gives the same values.
std::unique_ptr<Recipe> make_train_volume_recipe(const AugmentConfig& config, int64_t frames, int64_t height, int64_t width);
std::unique_ptr<Recipe> make_eval_volume_recipe(const AugmentConfig& config, int64_t frames, int64_t height, int64_t width);

}  // namespace liere
