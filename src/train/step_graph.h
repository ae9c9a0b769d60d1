// The device's work of one optimiser step, recorded once and then queued as a whole: a CUDA graph. Small models gain, whose hundreds of launches take the host longer
// than their work takes the GPU. Recorded work reads and writes the same memory each time it is queued, so that what changes from step to step stands in tensors.
#pragma once

#include <torch/torch.h>

#include <functional>
#include <memory>

namespace liere {

class StepGraph {
 public:
  explicit StepGraph(torch::Device device);
  ~StepGraph();
  StepGraph(StepGraph&&) noexcept;

  /// Records what `work` queues on the current stream, without running it; tensors that it makes live as long as the graph and hold their values only after queue().
  /// `work` must not wait for the device. Before, it should have run once as it is, so that libraries have set themselves up. On the CPU, for tests, `work` is kept and queue() calls it.
  void record(std::function<void()> work);
  bool is_recorded() const { return recorded_; }
  /// Queues the recorded work on the current stream.
  void queue();

 private:
  struct Graph;
  torch::Device device_;
  bool recorded_ = false;
  std::function<void()> work_;  // on the CPU
  std::unique_ptr<Graph> graph_;
};

}  // namespace liere
