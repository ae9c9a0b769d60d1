// Which tensors the GPU's kernels (device_kernels.h) serve, and on which stream. Sees torch.
#pragma once

#include <torch/torch.h>

#include "models/kernels/device_kernels.h"

namespace liere {

/// The kernels for tensors on this device: CUDA's in a build with CUDA; nullptr on the CPU, where the CPU's own serve.
const DeviceKernels* device_kernels(const at::Tensor& x);

/// The current stream of x's device as the kernels take it.
void* stream_of(const at::Tensor& x);

/// Throws DeviceError for the CUDA error code of a launch; `what` names the operation ("exp").
void check_launch(int error, const char* what);

/// While it lives, tensors on the CPU are served by this table: tests run the GPU's code paths with kernels compiled for the CPU.
class ServeCpuTensors {
 public:
  explicit ServeCpuTensors(const DeviceKernels& kernels);
  ~ServeCpuTensors();
  ServeCpuTensors(const ServeCpuTensors&) = delete;
  ServeCpuTensors& operator=(const ServeCpuTensors&) = delete;
};

}  // namespace liere
