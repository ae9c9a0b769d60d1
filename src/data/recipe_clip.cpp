#include "data/recipe_clip.h"

#include "core/check.h"

namespace liere {
std::unique_ptr<Recipe> make_train_clip_recipe(const AugmentConfig&, int64_t, int64_t, int64_t) { throw ConfigError("clips"); }
std::unique_ptr<Recipe> make_eval_clip_recipe(const AugmentConfig&, int64_t, int64_t, int64_t) { throw ConfigError("clips"); }
}  // namespace liere
