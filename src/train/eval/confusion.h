// The confusion matrix: how many samples of each class were taken for which.
#pragma once

#include <span>
#include <vector>

#include "train/eval/rows.h"

namespace liere {

/// counts[label][predicted]; throws DataError for a label or prediction outside 0 .. classes - 1.
using ConfusionCounts = std::vector<std::vector<int64_t>>;
ConfusionCounts confusion_counts(std::span<const Row> rows, size_t classes);

struct ConfusedPair {
  int64_t label, predicted, count, of;  // `of` samples have this label
};
/// Pairs label != predicted that occur, the most frequent first, ties by label and prediction.
std::vector<ConfusedPair> confused_pairs(const ConfusionCounts& counts);

}  // namespace liere
