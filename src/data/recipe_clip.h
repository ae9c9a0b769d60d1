// The recipes of video classification (paper, section 3; the release's videodataset.py and video_transforms.py): what the model sees of a video.
//   train  a clip's frames at random -> RandAugment (one draw for all frames) -> normalise -> a random box resized as floats, bilinear without antialias ->
//          mirror at random -> random erasing (one box, noise of its own in every frame)
//   eval   `segments` clips evenly spread over the video x `crops` windows along the longer side of its frames, whose short side is resized to the input's
//          (OpenCV's bilinear on 8-bit); view = segment * crops + crop
// Without augment.random_resized_crop training shows evaluation's central window. Everything random is drawn before anything is decoded, in this order: the frames
// (draw_clip), RandAugment, the crop, the mirror (a coin, none at probability 0), the erasing. Only the frames of the clip are asked for, whole.
#pragma once

#include <memory>

#include "data/config.h"
#include "data/recipe.h"

namespace liere {

/// Output [frames, height, width, 3], square. A recipe outlives its plans. Throws ConfigError for a configuration or size that cannot be; a plan throws DataError, naming the sample, for a source that
/// is not a video in RGB. `plan` is const and thread-safe; the same Rng gives the same values.
std::unique_ptr<Recipe> make_train_clip_recipe(const AugmentConfig& config, int64_t frames, int64_t height, int64_t width);
std::unique_ptr<Recipe> make_eval_clip_recipe(const AugmentConfig& config, int64_t frames, int64_t height, int64_t width);

}  // namespace liere
