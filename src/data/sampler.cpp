#include "data/sampler.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <random>
#include <stdexcept>
#include <string>
#include <utility>

#include "core/check.h"
#include "core/rng.h"

namespace liere {

Sampler::Sampler(std::vector<int64_t> indices, int64_t batch_size, bool drop_last, uint64_t seed, std::vector<int64_t> labels)
    : indices_(std::move(indices)), batch_size_(batch_size), drop_last_(drop_last), seed_(seed) {
  if (!labels.empty()) {
    std::map<int64_t, std::vector<int64_t>> places;
    for (size_t i = 0; i < labels.size(); ++i) places[labels[i]].push_back(static_cast<int64_t>(i));
    for (auto& [label, of_class] : places) classes_.push_back(std::move(of_class));
  }
  if (batch_size_ < 1) throw DataError("the batch size must be at least 1, found " + std::to_string(batch_size_));
  if (steps_per_epoch() < 1) {
    throw DataError("an epoch would have no step: the training set has " + std::to_string(indices_.size()) + " samples and the batch size is " +
                    std::to_string(batch_size_) + (drop_last_ ? " with the incomplete last batch left out" : "") +
                    ". Use a smaller batch size or more data.");
  }
}

int64_t Sampler::steps_per_epoch() const {
  const int64_t n = static_cast<int64_t>(indices_.size());
  return drop_last_ ? n / batch_size_ : (n + batch_size_ - 1) / batch_size_;
}

std::vector<int64_t> Sampler::order_of(uint32_t epoch) const {
  const auto n = static_cast<int64_t>(indices_.size());
  auto order = Rng(seed_, Purpose::kOrder, epoch).permutation(n);
  if (classes_.empty()) return order;
  const auto count = static_cast<int64_t>(classes_.size());
  std::vector<int64_t> chosen;
  chosen.reserve(indices_.size());
  for (int64_t c = 0; c < count; ++c) {
    // Which classes get one more of what cannot be shared equally changes from epoch to epoch.
    const int64_t share = n / count + ((c + epoch) % count < n % count ? 1 : 0);
    Rng rng(seed_, Purpose::kOrder, epoch, static_cast<uint32_t>(c) + 1);
    for (int64_t taken = 0; taken < share;)
      for (const int64_t place : rng.permutation(static_cast<int64_t>(classes_[c].size()))) {
        if (taken == share) break;
        ++taken;
        chosen.push_back(classes_[c][place]);
      }
  }
  for (int64_t& place : order) place = chosen[place];
  return order;
}

std::vector<int64_t> Sampler::batch(Cursor cursor) const {
  if (cursor.epoch < 0 || cursor.epoch > int64_t(UINT32_MAX) || cursor.step < 0 || cursor.step >= steps_per_epoch()) {
    throw std::out_of_range("no step " + std::to_string(cursor.step) + " of epoch " + std::to_string(cursor.epoch) + ": an epoch has " +
                            std::to_string(steps_per_epoch()) + " steps");
  }
  if (cursor.epoch != cached_epoch_) {
    order_ = order_of(static_cast<uint32_t>(cursor.epoch));
    cached_epoch_ = cursor.epoch;
  }
  const int64_t first = cursor.step * batch_size_, last = std::min(first + batch_size_, static_cast<int64_t>(indices_.size()));
  std::vector<int64_t> out;
  out.reserve(static_cast<size_t>(last - first));
  for (int64_t slot = first; slot < last; ++slot) out.push_back(indices_[order_[slot]]);
  return out;
}

std::vector<int64_t> ablation_subset(int64_t n, double fraction) {
  constexpr int64_t kLimit = int64_t(UINT32_MAX) / 20;  // from here on torch.randperm draws 64 bits
  if (n < 1 || n >= kLimit)
    throw DataError("the data ablation needs between 1 and " + std::to_string(kLimit - 1) + " samples, found " + std::to_string(n));
  if (!(fraction > 0.0 && fraction <= 1.0))
    throw DataError("the fraction of the data ablation must lie in (0, 1], found " + std::to_string(fraction));
  std::mt19937 generator(42);
  std::vector<int64_t> order(static_cast<size_t>(n));
  std::iota(order.begin(), order.end(), int64_t(0));
  for (int64_t i = 0; i < n - 1; ++i) std::swap(order[i], order[i + static_cast<int64_t>(generator()) % (n - i)]);
  order.resize(static_cast<size_t>(std::floor(fraction * static_cast<double>(n))));
  return order;
}

}  // namespace liere
