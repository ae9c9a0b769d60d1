// The recipes of picture classification (paper, section 3): what the model sees of an RGB picture in training and at evaluation.
//   train, order released    colour steps on the whole picture -> crop -> mirror at random          colour steps: RandAugment, then 3-Augment, then
//   colour jitter train, order crop_first  crop -> colour steps -> mirror at random                               crop: RandomResizedCrop; or resize
//   where the size is not the then, after normalisation, random erasing                                                       target's, pad with
//   zeros and crop at random eval   resize where the size is not the target's, or short side and centre crop, or the centre without a resize
//   (EvaluationView)
// Only what is needed is decoded: the crop where no colour step sees the whole picture, the rows and columns that the centre crop's resize reads.
// Order of a training plan's draws: with crop_first the crop's first; the colour steps' (transforms/rand_augment.h, three_augment.h, color_jitter.h);
// with released the crop's; with flip > 0 one coin; the erasing's (transforms/erasing.h). The crop's: RandomResizedCrop's, or with crop_padding P > 0
// the row, then the column (integers 0..2P). A step that is switched off draws nothing.
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
