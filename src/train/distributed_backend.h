// What distributed.cpp and distributed_nccl.cpp share: making c10d's backend.
#pragma once

#include <torch/csrc/distributed/c10d/Backend.hpp>
#include <torch/csrc/distributed/c10d/Store.hpp>

#include <chrono>

namespace liere {

/// Whether this build has NCCL.
bool has_nccl();
/// What tells a GPU from all others of its machine (its PCI address); empty in a build without NCCL.
std::string device_identity(at::Device device);
/// The communicator of this rank's device, connected. Throws DeviceError in a build without NCCL, or where the library's version is not the header's.
c10::intrusive_ptr<c10d::Backend> make_nccl_backend(const c10::intrusive_ptr<c10d::Store>& store, int rank, int size, at::Device device, std::chrono::milliseconds timeout);

}  // namespace liere
