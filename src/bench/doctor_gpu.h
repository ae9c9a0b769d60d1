// The doctor's verdicts on LibTorch and GPUs, as functions of what was read. Sees torch.
#pragma once

#include "bench/doctor.h"
#include "train/device.h"

namespace liere {

struct GpuSoftware {
  std::string torch_built, torch_loaded;  // "2.11.0"
  std::string architectures;              // that our kernels were compiled for: "80-real 90a-real 120-virtual"; empty without CUDA
  int nccl_built = 0, nccl_loaded = 0;    // 22809 = 2.28.9; 0: not known, not loaded
  bool torch_has_cuda = false;
};
GpuSoftware read_gpu_software();

std::vector<Finding> software_findings(const GpuSoftware& software);
std::vector<Finding> gpu_findings(const CudaState& state, const GpuSoftware& software);

/// Computes on the device: a product in LibTorch, the kernels' rotations beside the reference's. Broken where it fails or differs.
Finding try_device(torch::Device device);

}  // namespace liere
