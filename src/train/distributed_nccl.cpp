// NCCL's communicator, in builds with CUDA.
#include "core/check.h"
#include "train/distributed_backend.h"

#ifdef USE_C10D_NCCL
#include <c10/cuda/CUDAFunctions.h>
#include <cuda_runtime_api.h>
#include <nccl.h>
#include <torch/csrc/cuda/nccl.h>

#include <torch/csrc/distributed/c10d/ProcessGroupNCCL.hpp>
#endif

namespace liere {

#ifdef USE_C10D_NCCL

namespace {

// c10d's options hold NCCL's configuration by value: another header than the library's shifts what comes after it.
void require_version_of_header() {
  const auto library = torch::cuda::nccl::version();
  const uint64_t header = (uint64_t(NCCL_MAJOR) << 32) | (uint64_t(NCCL_MINOR) << 16) | uint64_t(NCCL_PATCH);
  if (library == header) return;
  const auto text = [](uint64_t version) {
    return std::to_string(version >> 32) + "." + std::to_string((version >> 16) & 0xffff) + "." + std::to_string(version & 0xffff);
  };
  throw DeviceError("this program was built with NCCL " + text(header) + "'s header, but the library is " + text(library) +
                    ". Build it again beside that library, or use distributed.backend=gloo.");
}

}  // namespace

bool has_nccl() { return true; }

std::string device_identity(at::Device device) {
  char address[32] = {};
  return cudaDeviceGetPCIBusId(address, sizeof address, device.index()) == cudaSuccess ? address : "";
}

c10::intrusive_ptr<c10d::Backend> make_nccl_backend(const c10::intrusive_ptr<c10d::Store>& store, int rank, int size, at::Device device,
                                                    std::chrono::milliseconds timeout) {
  require_version_of_header();
  c10::cuda::set_device(device.index());
  auto options = c10d::ProcessGroupNCCL::Options::create(/*is_high_priority_stream=*/true);
  options->timeout = timeout;
  auto backend = c10::make_intrusive<c10d::ProcessGroupNCCL>(store, rank, size, options);
  backend->setBoundDeviceId(device);
  backend->eagerConnectSingleDevice(device);
  return backend;
}

#else

bool has_nccl() { return false; }

std::string device_identity(at::Device) { return ""; }

c10::intrusive_ptr<c10d::Backend> make_nccl_backend(const c10::intrusive_ptr<c10d::Store>&, int, int, at::Device, std::chrono::milliseconds) {
  throw DeviceError(
      "distributed.backend is nccl, but this program was built without it. Build it with the preset cuda (scripts/build.sh cuda), or use "
      "distributed.backend=gloo.");
}

#endif

}  // namespace liere
