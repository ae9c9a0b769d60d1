// The order of a rank's forward passes: which samples stand in its n-th micro-batch counted from the start of the run. A pure function, so that
// a resumed run goes on exactly where it stopped.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>

#include "data/sampler.h"

namespace liere {

struct MicroBatchPlan {
  int64_t samples, batch_size, micro_batch, steps_per_epoch;
  int64_t rank = 0, ranks = 1;

  /// Samples of an optimiser step of the epoch: batch_size, fewer in an incomplete last one.
  int64_t samples_in(int64_t step_of_epoch) const { return std::min(batch_size, samples - step_of_epoch * batch_size); }
  /// This rank's slots of the step: [begin, end). Contiguous, from an even slot on (mixup pairs slot i with i xor 1); those of the last ranks may be shorter or empty,
  /// and a rank without samples in a full step has none in a shorter one.
  struct Slots {
    int64_t begin, end;
    int64_t size() const { return end - begin; }
  };
  Slots slots_in(int64_t step_of_epoch) const { return slots_of(samples_in(step_of_epoch)); }
  /// Of this rank; 0 where it has no samples.
  int64_t micro_batches_in(int64_t step_of_epoch) const { return parts(slots_in(step_of_epoch)); }
  /// Micro-batches of the run before optimiser step `step`.
  int64_t first_of(int64_t step) const { return step / steps_per_epoch * per_epoch() + step % steps_per_epoch * per_step(); }

  struct Place {
    Cursor cursor;
    int64_t part = 0;  // of the step
    int64_t step = 0;  // of the run
  };
  /// Whether this rank ever has samples.
  bool has_any() const { return per_epoch() > 0; }
  /// Where micro-batch `number` of the run belongs. Only where has_any().
  Place place(int64_t number) const {
    const int64_t epoch = number / per_epoch(), within = number % per_epoch();
    // The last step may have more micro-batches than a full one: shares of an odd count are not all even.
    const int64_t step = std::min(within / per_step(), steps_per_epoch - 1);
    return {{epoch, step}, within - step * per_step(), epoch * steps_per_epoch + step};
  }

 private:
  Slots slots_of(int64_t count) const {
    if (ranks == 1) return {0, count};
    const int64_t pairs = (count + 1) / 2, each = pairs / ranks, more = pairs % ranks;  // the first `more` ranks have a pair more
    const int64_t begin = rank * each + std::min(rank, more), end = begin + each + (rank < more);
    return {std::min(count, 2 * begin), std::min(count, 2 * end)};
  }
  int64_t parts(Slots slots) const { return (slots.size() + micro_batch - 1) / micro_batch; }
  int64_t per_step() const { return parts(slots_of(batch_size)); }
  int64_t per_epoch() const { return (steps_per_epoch - 1) * per_step() + micro_batches_in(steps_per_epoch - 1); }
};

}  // namespace liere
