// The loader's batches with their pictures on the device. On a GPU the next batch is copied ahead of time, on a stream of its own, while the step computes: pinned
// memory, an event that the computing stream waits for, and record_stream, so that memory freed by the step is not filled again before the step has read it. On the
// CPU a batch passes through untouched.
#pragma once

#include <c10/core/Event.h>
#include <c10/core/Stream.h>

#include <exception>
#include <optional>

#include "data/loader.h"

namespace liere {

class DeviceBatches {
 public:
  /// `loader` must outlive it. Only the pictures are copied: labels and the rest stay in the loader's memory, since they are small and the host reads some of them.
  /// `ahead`: whether prefetch() fetches; tests ask the CPU for it, where the pictures stay what they are.
  DeviceBatches(Loader& loader, torch::Device device, bool ahead);
  DeviceBatches(Loader& loader, torch::Device device) : DeviceBatches(loader, device, !device.is_cpu()) {}

  /// The next batch, ready for work queued on the current stream; nullopt after the last. What the loader throws comes out here, at its batch's turn.
  std::optional<Batch> next();
  /// Call when the work on the last batch is queued: fetches the following one and queues its copy. Waits for the loader, not for the device.
  void prefetch();

 private:
  struct Ahead {
    Batch batch;
    std::optional<c10::Event> copied;  // none on the CPU
  };
  std::optional<Ahead> fetch();

  Loader& loader_;
  torch::Device device_;
  bool prefetches_;
  std::optional<c10::Stream> copies_;  // none on the CPU
  std::optional<Ahead> ahead_;
  std::exception_ptr error_;  // met while fetching ahead, for next()
  bool ended_ = false;
};

}  // namespace liere
