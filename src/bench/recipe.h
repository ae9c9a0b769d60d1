// The rate of the training recipe on one core: augmentation and normalisation of pictures of the input size, or of clips, made of noise. Nothing is decoded.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "data/config.h"

namespace liere {

struct RecipeBench {
  double images_per_second = 0;      // of processor time of the one thread, so that other work on the machine does not count
  double randaugment_per_second = 0; // the same with RandAugment alone
  int64_t images = 0;                // or clips
  std::vector<int64_t> input_size;
};

/// Prepares pictures of [rows, columns] or clips of [frames, rows, columns] for about `seconds` by each of both recipes.
RecipeBench bench_recipe(const AugmentConfig& config, const std::vector<int64_t>& input_size, double seconds);

std::string describe(const RecipeBench& result);
std::string to_json(const RecipeBench& result);

}  // namespace liere
