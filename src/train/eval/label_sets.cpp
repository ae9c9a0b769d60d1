#include "train/eval/label_sets.h"

#include <algorithm>
#include <vector>

namespace liere {
namespace {

// A set that differs from the best in the class with the (j + 1)-th smallest loss has j likelier ones beside the best: five sets need the four cheapest classes.
constexpr size_t kChanged = kTopClasses - 1;

/// Classes by what calling them the other way keeps of a set's probability, the most first; at most kChanged. Comparisons that NaN only ever fails.
std::vector<size_t> cheapest(const std::vector<double>& kept) {
  std::vector<size_t> order;
  std::vector<bool> used(kept.size(), false);
  while (order.size() < std::min(kChanged, kept.size())) {
    size_t best = kept.size();
    for (size_t c = 0; c < kept.size(); ++c)
      if (!used[c] && (best == kept.size() || kept[c] > kept[best])) best = c;
    used[best] = true;
    order.push_back(best);
  }
  return order;
}

}  // namespace

int64_t set_number(std::span<const double> present) {
  int64_t number = 0;
  for (size_t c = 0; c < present.size(); ++c) number |= static_cast<int64_t>(present[c] >= 0.5) << c;
  return number;
}

LikelySets likely_sets(std::span<const double> probability) {
  const int64_t called = set_number(probability);
  double best = 1;
  std::vector<double> kept;
  for (const double p : probability) {
    const double of_call = p >= 0.5 ? p : 1 - p;
    best *= of_call;
    kept.push_back((1 - of_call) / of_call);
  }
  const auto order = cheapest(kept);
  std::array<int64_t, size_t{1} << kChanged> sets;
  std::array<double, size_t{1} << kChanged> shares;
  const size_t count = size_t{1} << order.size();
  for (size_t change = 0; change < count; ++change) {
    sets[change] = called;
    shares[change] = 1;
    for (size_t k = 0; k < order.size(); ++k) {
      if (!(change >> k & 1)) continue;
      sets[change] ^= int64_t{1} << order[k];
      shares[change] *= kept[order[k]];
    }
  }
  LikelySets likely;
  likely.sets.fill(-1);
  std::vector<bool> used(count, false);
  for (size_t k = 0; k < std::min(kTopClasses, count); ++k) {
    size_t next = count;
    for (size_t change = 0; change < count; ++change)
      if (!used[change] && (next == count || shares[change] > shares[next])) next = change;
    used[next] = true;
    likely.sets[k] = sets[next];
    likely.probability[k] = best * shares[next];
  }
  return likely;
}

}  // namespace liere
