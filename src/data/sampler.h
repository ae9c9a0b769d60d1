// Which sample stands in which slot of which step, as a pure function of (seed, epoch): the basis of exact resume and of equal runs at any world size.
#pragma once

#include <cstdint>
#include <vector>

namespace liere {

/// Where a training run stands: `epoch` counts from 0, `step` is the optimiser step within the epoch.
struct Cursor {
  int64_t epoch = 0, step = 0;
};

class Sampler {
 public:
  /// `indices`: the training subset. With drop_last the incomplete last batch of an epoch is left out. DataError when an epoch would have no step.
  /// `labels`, one for each of `indices`: every class comes equally often (to one) in each epoch, whose length does not change. Of a class with more samples than its
  /// share a random part is taken, one with fewer is gone through as often as needed.
  Sampler(std::vector<int64_t> indices, int64_t batch_size, bool drop_last, uint64_t seed, std::vector<int64_t> labels = {});
  int64_t steps_per_epoch() const;
  /// Dataset indices of the global batch of this step, in slot order (fewer than batch_size in the last step of an epoch without drop_last).
  /// O(batch) once the epoch's permutation is drawn; not to be called from two threads at once. std::out_of_range for a step that does not exist.
  std::vector<int64_t> batch(Cursor cursor) const;

 private:
  /// Places in indices_ in the epoch's order.
  std::vector<int64_t> order_of(uint32_t epoch) const;

  std::vector<int64_t> indices_;
  int64_t batch_size_;
  bool drop_last_;
  uint64_t seed_;
  std::vector<std::vector<int64_t>> classes_;  // places in indices_, of the classes that occur; empty: not balanced
  mutable int64_t cached_epoch_ = -1;
  mutable std::vector<int64_t> order_;
};

/// The released code's data ablation: the first floor(fraction * n) entries of torch.randperm(n) with generator seed 42 (std::mt19937 drawn as torch draws it).
/// DataError unless 0 < fraction <= 1 and 1 <= n < 2^32 / 20.
std::vector<int64_t> ablation_subset(int64_t n, double fraction);

}  // namespace liere
