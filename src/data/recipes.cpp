#include "data/recipes.h"

#include "core/check.h"
#include "data/recipe_clip.h"
#include "data/recipe_picture.h"
#include "data/recipe_sequence.h"
#include "data/recipe_volume.h"

namespace liere {
namespace {

using MakePicture = std::unique_ptr<Recipe> (*)(const AugmentConfig&, int64_t, int64_t);
using MakeClip = std::unique_ptr<Recipe> (*)(const AugmentConfig&, int64_t, int64_t, int64_t);

std::unique_ptr<Recipe> make(const AugmentConfig& config, const std::vector<int64_t>& size, MakePicture picture, MakeClip clip) {
  if (size.size() == 1) return make_sequence_recipe(config, size[0]);
  if (size.size() == 2) return picture(config, size[0], size[1]);
  if (size.size() == 3) return clip(config, size[0], size[1], size[2]);
  throw ConfigError("model.input_size has " + std::to_string(size.size()) +
                    " axes, expected [tokens] of sequences, [rows, columns] of pictures or [frames, rows, columns] of clips.");
}

}  // namespace

std::unique_ptr<Recipe> make_train_recipe(const AugmentConfig& config, const std::vector<int64_t>& input_size) {
  return make(config, input_size, make_train_recipe, make_train_clip_recipe);
}
std::unique_ptr<Recipe> make_eval_recipe(const AugmentConfig& config, const std::vector<int64_t>& input_size) {
  return make(config, input_size, make_eval_recipe, make_eval_clip_recipe);
}

namespace {

std::unique_ptr<Recipe> make_volume(const AugmentConfig& config, const std::vector<int64_t>& size, MakeClip volume) {
  if (size.size() != 3)
    throw ConfigError("model.input_size has " + std::to_string(size.size()) + " axes, expected [slices, rows, columns] of volumes.");
  return volume(config, size[0], size[1], size[2]);
}

void refuse_volume_keys(const AugmentConfig& config) {
  const AugmentConfig none;
  const bool windows = config.windows != none.windows;
  if (windows || config.volume != none.volume)
    throw ConfigError(
        std::string("augment.") + (windows ? "windows" : "volume") +
        ": it is of CT volumes (data.kind: volumes), these data are pictures or videos. Leave it out; they have the other keys of augment.");
}

}  // namespace

std::unique_ptr<Recipe> make_train_recipe(const DatasetConfig& dataset, const AugmentConfig& config, const std::vector<int64_t>& input_size) {
  if (std::holds_alternative<VolumesConfig>(dataset)) return make_volume(config, input_size, make_train_volume_recipe);
  refuse_volume_keys(config);
  return make_train_recipe(config, input_size);
}
std::unique_ptr<Recipe> make_eval_recipe(const DatasetConfig& dataset, const AugmentConfig& config, const std::vector<int64_t>& input_size) {
  if (std::holds_alternative<VolumesConfig>(dataset)) return make_volume(config, input_size, make_eval_volume_recipe);
  refuse_volume_keys(config);
  return make_eval_recipe(config, input_size);
}

}  // namespace liere
