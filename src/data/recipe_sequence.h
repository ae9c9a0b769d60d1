// What the model sees of a sequence: its tokens as they are, normalised. Nothing is drawn: a token that is cut, turned or mixed is another one.
#pragma once

#include <memory>

#include "data/augment_config.h"
#include "data/recipe.h"

namespace liere {

/// A sequence is a picture of one row of `length` pixels. Throws ConfigError naming a key of augmentation that is set.
std::unique_ptr<Recipe> make_sequence_recipe(const AugmentConfig& config, int64_t length);

}  // namespace liere
