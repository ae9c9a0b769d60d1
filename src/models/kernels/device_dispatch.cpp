#include "models/kernels/device_dispatch.h"

#include "core/check.h"

#ifdef LIERE_CUDA
#include <c10/cuda/CUDAStream.h>
#include <cuda_runtime_api.h>
#endif

namespace liere {
namespace {

const DeviceKernels* for_cpu_tensors = nullptr;

}  // namespace

const DeviceKernels* device_kernels(const at::Tensor& x) {
#ifdef LIERE_CUDA
  if (x.is_cuda()) return &cuda_kernels();
#endif
  return x.is_cpu() ? for_cpu_tensors : nullptr;
}

void* stream_of([[maybe_unused]] const at::Tensor& x) {
#ifdef LIERE_CUDA
  if (x.is_cuda()) return c10::cuda::getCurrentCUDAStream(x.device().index()).stream();
#endif
  return nullptr;
}

void check_launch(int error, const char* what) {
  if (error == 0) return;
  std::string words = "CUDA error " + std::to_string(error);
#ifdef LIERE_CUDA
  words += std::string(", ") + cudaGetErrorString(static_cast<cudaError_t>(error));
#endif
  throw DeviceError(std::string(what) + ": the CUDA kernel did not start (" + words + "). Run liere-bench doctor to check the GPU and its driver.");
}

ServeCpuTensors::ServeCpuTensors(const DeviceKernels& kernels) { for_cpu_tensors = &kernels; }
ServeCpuTensors::~ServeCpuTensors() { for_cpu_tensors = nullptr; }

}  // namespace liere
