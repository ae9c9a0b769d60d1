// A validation part of a training set: the same samples for every seed and every data fraction, each class in proportion.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "data/dataset.h"

namespace liere {

/// `count` indices of the dataset, ascending. Class c gives count * n_c / n of its n_c samples, rounded by largest remainder (ties: the lower class);
/// which ones follows from a permutation with the fixed seed 0. ConfigError unless 0 < count < size.
std::vector<int64_t> holdout_indices(const Dataset& dataset, int64_t count);

/// The samples `indices` of a dataset as a dataset; `whole` must outlive it.
std::unique_ptr<Dataset> make_subset(const Dataset& whole, std::vector<int64_t> indices);

}  // namespace liere
