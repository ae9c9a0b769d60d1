// The order of a training run's forward passes: which samples stand in the n-th micro-batch counted from the start of the run. A pure function, so that
// a resumed run goes on exactly where it stopped.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>

#include "data/sampler.h"

namespace liere {

struct MicroBatchPlan {
  int64_t samples, batch_size, micro_batch, steps_per_epoch;

  /// Samples of an optimiser step of the epoch: batch_size, fewer in an incomplete last one.
  int64_t samples_in(int64_t step_of_epoch) const { return std::min(batch_size, samples - step_of_epoch * batch_size); }
  int64_t micro_batches_in(int64_t step_of_epoch) const { return (samples_in(step_of_epoch) + micro_batch - 1) / micro_batch; }
  /// Micro-batches of the run before optimiser step `step`.
  int64_t first_of(int64_t step) const { return step / steps_per_epoch * per_epoch() + step % steps_per_epoch * per_step(); }

  struct Place {
    Cursor cursor;
    int64_t part = 0;  // of the step
    int64_t step = 0;  // of the run
  };
  /// Where micro-batch `number` of the run belongs.
  Place place(int64_t number) const {
    const int64_t epoch = number / per_epoch(), within = number % per_epoch();
    return {{epoch, within / per_step()}, within % per_step(), epoch * steps_per_epoch + within / per_step()};
  }

 private:
  int64_t per_step() const { return (batch_size + micro_batch - 1) / micro_batch; }
  int64_t per_epoch() const { return (steps_per_epoch - 1) * per_step() + micro_batches_in(steps_per_epoch - 1); }
};

}  // namespace liere
