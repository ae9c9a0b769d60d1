// The one place that chooses the recipes of an input: pictures for two axes, clips for three, volumes for data that hold them.
#pragma once

#include <memory>
#include <vector>

#include "data/config.h"
#include "data/recipe.h"

namespace liere {

/// `input_size`: [tokens] of sequences, [rows, columns] of pictures, [frames, rows, columns] of clips. Throws ConfigError for another number of axes.
std::unique_ptr<Recipe> make_train_recipe(const AugmentConfig& config, const std::vector<int64_t>& input_size);
std::unique_ptr<Recipe> make_eval_recipe(const AugmentConfig& config, const std::vector<int64_t>& input_size);

/// The same for these data: volumes (kind volumes) have recipes of their own.
std::unique_ptr<Recipe> make_train_recipe(const DatasetConfig& dataset, const AugmentConfig& config, const std::vector<int64_t>& input_size);
std::unique_ptr<Recipe> make_eval_recipe(const DatasetConfig& dataset, const AugmentConfig& config, const std::vector<int64_t>& input_size);

}  // namespace liere
