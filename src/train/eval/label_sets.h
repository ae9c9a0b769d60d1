// Samples with several labels, each a yes or no: the row of such a sample (train/eval/rows.h) is about its whole set of labels. Probabilities p_c of the classes are
// taken as independent, so that a set S has the probability prod_(c in S) p_c prod_(c not in S) (1 - p_c). The most probable set is the one that calls every class with
// p_c >= 1/2: top-1 is "all labels right at 0.5", top-5 "the right set is among the five most probable". No torch.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "train/eval/rows.h"

namespace liere {

constexpr int64_t kMostLabels = 62;  // of a set in one int64

/// The number of a set: bit c for class c. At most kMostLabels classes.
int64_t set_number(std::span<const double> present);

struct LikelySets {
  std::array<int64_t, kTopClasses> sets;         // the most probable first; -1 beyond the number of sets
  std::array<double, kTopClasses> probability{};  // of those
};
LikelySets likely_sets(std::span<const double> probability);

}  // namespace liere
