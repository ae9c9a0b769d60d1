// The recipes of picture classification (paper, section 3): what the model sees of an RGB picture in training and at evaluation.
//   train  RandAugment on the whole picture -> resize where its size is not the target's -> pad with zeros and crop at random -> mirror at random
//   eval   resize where the size is not the target's
// Order of a training plan's draws: RandAugment's (transforms/rand_augment.h); with crop_padding P > 0 the crop's row, then its column
// (integers 0..2P); with flip > 0 one coin. A step that is switched off draws nothing.
#pragma once

#include <memory>

#include "data/config.h"
#include "data/recipe.h"

namespace liere {

/// Mean and standard deviation per channel, pictures scaled to 0..1: of the paper's release (cifar), CIFAR-100's true ones, ImageNet's, or 0.5.
Normalization normalization_of(NormalizationKind kind);

/// Output [1, height, width, 3] u8. Throws ConfigError for a configuration or size that cannot be; a plan throws DataError, naming the sample, for a
/// source that is not one RGB picture. `plan` is const and thread-safe; the same Rng gives the same bytes.
std::unique_ptr<Recipe> make_train_recipe(const AugmentConfig& config, int64_t height, int64_t width);
std::unique_ptr<Recipe> make_eval_recipe(const AugmentConfig& config, int64_t height, int64_t width);

}  // namespace liere
