// What lies between the matrix products of a block, on a GPU.
#include "models/kernels/cuda_device.h"
#include "models/kernels/device_kernels.h"

namespace liere {
namespace {

bool serves(int64_t) { return false; }
template <class T>
DeviceBlockKernels<T> table() {
  return {serves, nullptr, nullptr, nullptr, nullptr};
}

}  // namespace

DeviceBlockKernels<float> block_device_kernels_float() { return table<float>(); }
DeviceBlockKernels<Bfloat16Bits> block_device_kernels_bfloat16() { return table<Bfloat16Bits>(); }
int add_chunks_device(const float*, int64_t, int64_t, float*, void*) { return 0; }

}  // namespace liere
