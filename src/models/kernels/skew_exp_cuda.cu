// The exponential of skew-symmetric blocks and its gradient on a GPU.
#include "models/kernels/cuda_device.h"
#include "models/kernels/device_kernels.h"

namespace liere {
namespace {

bool serves(const SkewExpPlan<float>&) { return false; }
int64_t workspace(const SkewExpPlan<float>&) { return 0; }

}  // namespace

DeviceExpKernels exp_device_kernels() { return {serves, workspace, nullptr, nullptr}; }

}  // namespace liere
