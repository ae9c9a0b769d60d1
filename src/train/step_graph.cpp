#include "train/step_graph.h"

#include "core/check.h"

#ifdef LIERE_CUDA
#include <ATen/cuda/CUDAGraph.h>
#include <c10/cuda/CUDACachingAllocator.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>
#endif

namespace liere {

#ifdef LIERE_CUDA
struct StepGraph::Graph {
  at::cuda::CUDAGraph graph;
};
#else
struct StepGraph::Graph {};
#endif

StepGraph::StepGraph(torch::Device device) : device_(device) {}
StepGraph::~StepGraph() = default;
StepGraph::StepGraph(StepGraph&&) noexcept = default;

void StepGraph::record(std::function<void()> work) {
  if (device_.is_cpu()) {
    work_ = std::move(work);
    recorded_ = true;
    return;
  }
#ifdef LIERE_CUDA
  graph_ = std::make_unique<Graph>();
  // Freed memory of the steps before goes back first: the graph's own is apart from it.
  c10::cuda::getCurrentCUDAStream(device_.index()).synchronize();
  c10::cuda::CUDACachingAllocator::emptyCache();
  const auto stream = c10::cuda::getStreamFromPool(/*isHighPriority=*/false, device_.index());  // the default stream cannot be recorded
  {
    const c10::cuda::CUDAStreamGuard guard(stream);
    // Other threads (the loader's pinned memory) may go on calling CUDA meanwhile; autograd's thread queues on this stream too.
    graph_->graph.capture_begin(/*pool=*/{0, 0}, cudaStreamCaptureModeThreadLocal);
    try {
      work();
    } catch (...) {
      try {
        graph_->graph.capture_end();
      } catch (const std::exception&) {  // an error of the recording that the exception under way has told
      }
      graph_.reset();
      throw;
    }
    graph_->graph.capture_end();
  }
  recorded_ = true;
#else
  throw DeviceError("this program was built without CUDA, and work on " + device_.str() + " was to be recorded: this is a defect, please report it.");
#endif
}

void StepGraph::queue() {
  if (!recorded_) throw Error(ExitCode::kFailure, "work that was not recorded was to be queued: this is a defect, please report it.");
  if (device_.is_cpu()) return work_();
#ifdef LIERE_CUDA
  const c10::cuda::CUDAGuard guard(device_);
  graph_->graph.replay();
#endif
}

}  // namespace liere
