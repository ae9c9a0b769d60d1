// The table of the GPU's kernels.
#include "models/kernels/cuda_device.h"
#include "models/kernels/device_kernels.h"

namespace liere {
namespace {

[[maybe_unused]] __global__ void nothing_kernel() {}

}  // namespace

bool kernels_available(int device) {
#ifdef LIERE_CUDA_ON_CPU
  return device == 0;
#else
  int before = 0;
  if (cudaGetDevice(&before) != cudaSuccess || cudaSetDevice(device) != cudaSuccess) return false;
  cudaFuncAttributes attributes;
  const bool found = cudaFuncGetAttributes(&attributes, nothing_kernel) == cudaSuccess;
  cudaGetLastError();  // a missing image is an answer, not an error to leave behind
  cudaSetDevice(before);
  return found;
#endif
}

DeviceAttributes device_attributes() {
#ifdef LIERE_CUDA_ON_CPU
  return {.compute_capability = 90, .shared_memory = 99 * 1024, .multiprocessors = 1};
#else
  DeviceAttributes found;
  int device = 0, major = 0, minor = 0;
  cudaGetDevice(&device);
  cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, device);
  cudaDeviceGetAttribute(&minor, cudaDevAttrComputeCapabilityMinor, device);
  cudaDeviceGetAttribute(&found.shared_memory, cudaDevAttrMaxSharedMemoryPerBlockOptin, device);
  cudaDeviceGetAttribute(&found.multiprocessors, cudaDevAttrMultiProcessorCount, device);
  found.compute_capability = 10 * major + minor;
  return found;
#endif
}

const DeviceKernels& cuda_kernels() {
  static const DeviceKernels table = {
      .exp = exp_device_kernels(),
      .turn_float = turn_device_kernels_float(),
      .turn_bfloat16 = turn_device_kernels_bfloat16(),
      .block_float = block_device_kernels_float(),
      .block_bfloat16 = block_device_kernels_bfloat16(),
      .add_chunks = add_chunks_device,
      .attention = attention_device_kernels(),
      .dropout = {dropout_device, dropout_device, dropout_device},
      .available = kernels_available,
      .attributes = device_attributes,
  };
  return table;
}

}  // namespace liere
