// What a step found out about itself, on its way from the device to the host without stopping either: a few numbers are copied into pinned memory behind the step's
// work, and read when they are there, one step later. A ring of two slots: the step that runs and the one before it.
#pragma once

#include <c10/core/Event.h>
#include <torch/torch.h>

#include <array>
#include <cstdint>
#include <vector>

namespace liere {

class StepRecords {
 public:
  static constexpr int64_t kSlots = 2;
  static constexpr int64_t kLongest = 5;  // numbers of a record

  /// Slots are pinned memory for a GPU, plain memory for the CPU, where put() copies at once.
  explicit StepRecords(torch::Device device);

  /// Queues the copy of `numbers` [at most kLongest] (float64, on the device) behind the current stream's work. A defect when both slots are taken.
  void put(const torch::Tensor& numbers);
  /// The oldest record: waits for its copy alone, not for what was queued later. A defect when there is none.
  std::vector<double> take();
  /// Records that were put and not taken.
  int64_t waiting() const { return put_ - taken_; }

 private:
  torch::Device device_;
  torch::Tensor slots_;  // [kSlots, kLongest] float64
  std::array<int64_t, kSlots> lengths_ = {};
  std::vector<c10::Event> copied_;  // one per slot on a GPU, none on the CPU
  int64_t put_ = 0, taken_ = 0;
};

}  // namespace liere
