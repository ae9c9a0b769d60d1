// The rate of the training recipe of pictures on one core: RandAugment, crop, flip and normalisation of CIFAR-sized pictures made of noise.
#pragma once

#include <cstdint>
#include <string>

#include "data/config.h"

namespace liere {

struct RecipeBench {
  double images_per_second = 0;      // of processor time of the one thread, so that other work on the machine does not count
  double randaugment_per_second = 0; // the same with RandAugment alone
  int64_t images = 0, size = 0;
};

/// Prepares pictures of size x size for about `seconds` by each of both recipes.
RecipeBench bench_recipe(const AugmentConfig& config, int64_t size, double seconds);

std::string describe(const RecipeBench& result);
std::string to_json(const RecipeBench& result);

}  // namespace liere
