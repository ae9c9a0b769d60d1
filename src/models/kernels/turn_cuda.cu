// Turning queries and keys on a GPU.
#include "models/kernels/cuda_device.h"
#include "models/kernels/device_kernels.h"

namespace liere {
namespace {

template <class T>
bool serves(const TurnPlan<T>&) {
  return false;
}
template <class T>
int64_t workspace(const TurnPlan<T>&) {
  return 0;
}
template <class T>
DeviceTurnKernels<T> table() {
  return {serves<T>, workspace<T>, nullptr, nullptr};
}

}  // namespace

DeviceTurnKernels<float> turn_device_kernels_float() { return table<float>(); }
DeviceTurnKernels<Bfloat16Bits> turn_device_kernels_bfloat16() { return table<Bfloat16Bits>(); }

}  // namespace liere
