#include "data/holdout.h"

#include <algorithm>
#include <numeric>

#include "core/check.h"
#include "core/log.h"
#include "core/rng.h"

namespace liere {
namespace {

class Subset : public Dataset {
 public:
  Subset(const Dataset& whole, std::vector<int64_t> indices) : whole_(whole), indices_(std::move(indices)) {}
  int64_t size() const override { return static_cast<int64_t>(indices_.size()); }
  std::unique_ptr<Source> open(int64_t index) const override { return whole_.open(indices_.at(static_cast<size_t>(index))); }
  int64_t label(int64_t index) const override { return whole_.label(indices_.at(static_cast<size_t>(index))); }
  const std::vector<std::string>& class_names() const override { return whole_.class_names(); }
  bool multi_label() const override { return whole_.multi_label(); }
  std::string group(int64_t index) const override { return whole_.group(indices_.at(static_cast<size_t>(index))); }
  std::string describe() const override { return "holdout: " + format_count(size()) + " of these training samples, kept for validation"; }

 private:
  const Dataset& whole_;
  std::vector<int64_t> indices_;
};

/// How many of each class: shares rounded down, what is left to the largest remainders.
std::vector<int64_t> quotas(const std::vector<int64_t>& class_sizes, int64_t total, int64_t count) {
  std::vector<int64_t> quota, order(class_sizes.size());
  for (const int64_t size : class_sizes) quota.push_back(count * size / total);
  std::iota(order.begin(), order.end(), int64_t(0));
  std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) { return count * class_sizes[a] % total > count * class_sizes[b] % total; });
  const int64_t left = count - std::accumulate(quota.begin(), quota.end(), int64_t(0));
  for (int64_t i = 0; i < left; ++i) ++quota[order[i]];
  return quota;
}

}  // namespace

std::vector<int64_t> holdout_indices(const Dataset& dataset, int64_t count) {
  const int64_t size = dataset.size();
  if (count < 1 || count >= size)
    throw ConfigError("data.holdout is " + std::to_string(count) + ": expected fewer than the " + std::to_string(size) + " training samples, and at least 1.");
  // Of several labels a sample the data set's label is a yes or no, however many classes there are.
  std::vector<int64_t> class_sizes(std::max<size_t>(dataset.class_names().size(), dataset.multi_label() ? 2 : 0));
  for (int64_t index = 0; index < size; ++index) ++class_sizes.at(static_cast<size_t>(dataset.label(index)));
  auto quota = quotas(class_sizes, size, count);
  std::vector<int64_t> chosen;
  for (const int64_t index : Rng(/*seed=*/0, Purpose::kHoldout).permutation(size))
    if (quota[dataset.label(index)]-- > 0) chosen.push_back(index);
  std::sort(chosen.begin(), chosen.end());
  return chosen;
}

std::unique_ptr<Dataset> make_subset(const Dataset& whole, std::vector<int64_t> indices) { return std::make_unique<Subset>(whole, std::move(indices)); }

}  // namespace liere
