#include "train/device.h"

#include <c10/core/CachingDeviceAllocator.h>

#include <filesystem>

#include "core/check.h"
#include "core/log.h"
#include "core/machine.h"

#ifdef LIERE_CUDA
#include <c10/cuda/CUDAFunctions.h>
#include <cuda_runtime_api.h>

#include "models/kernels/device_kernels.h"
#endif

namespace liere {
namespace {

std::string cuda_version(int version) { return std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 10); }

// What stands in the way of device: cuda, with the remedy; empty if nothing does.
std::string obstacle(const CudaState& state, int local_rank) {
  const std::string on_cpu = " To run on the CPU: device=cpu.";
  if (!state.built)
    return std::string("this program was built without CUDA") +
           (state.gpu_present ? " although this machine has an NVIDIA GPU." : ", and no NVIDIA GPU was found.") +
           " Build it with the preset cuda (scripts/build.sh cuda)." + on_cpu;
  if (state.devices == 0 && !state.gpu_present)
    return "no NVIDIA GPU was found on this machine (" + state.failure + "). Check nvidia-smi; in a container or a job, ask for a GPU." + on_cpu;
  if (state.devices == 0 && state.driver_version > 0 && state.driver_version / 1000 < state.runtime_version / 1000)
    return "the GPU's driver is too old: it knows CUDA " + cuda_version(state.driver_version) + ", this program needs CUDA " +
           cuda_version(state.runtime_version) + ". Install a newer NVIDIA driver." + on_cpu;
  if (state.devices == 0)
    return "there is an NVIDIA GPU, but CUDA cannot use it: " + state.failure +
           ". Check nvidia-smi and CUDA_VISIBLE_DEVICES ('liere-bench doctor' shows both)." + on_cpu;
  if (local_rank >= state.devices)
    return "process " + std::to_string(local_rank) + " of this machine has no GPU: " + std::to_string(state.devices) +
           " can be used, one per process. Start at most " + std::to_string(state.devices) + " processes per machine.";
  if (!state.runs_kernels)
    return state.name + " has compute capability " + state.architecture +
           ", which this program was not compiled for. Build it with -DCMAKE_CUDA_ARCHITECTURES=native." + on_cpu;
  return "";
}

}  // namespace

DeviceChoice decide_device(const std::string& key, const CudaState& state, int local_rank) {
  if (key == "cpu") return {torch::kCPU, "device: cpu (as configured)"};
  if (key != "auto" && key != "cuda") throw ConfigError("device: expected auto, cpu or cuda, found '" + key + "'");
  const std::string problem = obstacle(state, local_rank);
  if (problem.empty()) {
    const torch::Device device(torch::kCUDA, static_cast<c10::DeviceIndex>(local_rank));
    return {device, "device: " + device.str() + ", " + state.name + (key == "auto" ? " (auto)" : " (as configured)")};
  }
  if (key == "cuda") throw DeviceError("device: cuda was asked for, but " + problem);
  if (!state.gpu_present && state.devices == 0)
    return {torch::kCPU, state.built ? "device: cpu (auto: no NVIDIA GPU was found)" : "device: cpu (auto: this program was built without CUDA)"};
  return {torch::kCPU, "device: cpu (auto), the GPU stays unused: " + problem, true};
}

CudaState read_cuda_state(int local_rank) {
  CudaState state;
  state.gpu_present = std::filesystem::exists("/proc/driver/nvidia/version") || std::filesystem::exists("/dev/nvidiactl");
#ifdef LIERE_CUDA
  state.built = true;
  cudaDriverGetVersion(&state.driver_version);
  cudaRuntimeGetVersion(&state.runtime_version);
  if (const cudaError_t error = cudaGetDeviceCount(&state.devices); error != cudaSuccess) {
    state.devices = 0;
    state.failure = cudaGetErrorString(error);
    cudaGetLastError();  // clears it
    return state;
  }
  if (state.devices == 0) state.failure = "no CUDA-capable device is detected";
  if (local_rank >= state.devices) return state;
  cudaDeviceProp properties;
  if (cudaGetDeviceProperties(&properties, local_rank) != cudaSuccess) return state;
  state.name = properties.name;
  state.architecture = std::to_string(properties.major) + "." + std::to_string(properties.minor);
  state.runs_kernels = cuda_kernels().available(local_rank);
#endif
  return state;
}

torch::Device choose_device(const std::string& key, int local_rank) {
  const DeviceChoice choice = decide_device(key, key == "cpu" ? CudaState{} : read_cuda_state(local_rank), local_rank);
  choice.warning ? log_warning(choice.reason) : log_info(choice.reason);
#ifdef LIERE_CUDA
  if (choice.device.is_cuda()) c10::cuda::set_device(choice.device.index());
#endif
  return choice.device;
}

std::optional<int64_t> peak_memory_of(torch::Device device) {
  if (device.is_cpu()) return peak_memory();
  const auto stats = c10::getDeviceAllocator(device.type())->getDeviceStats(device.has_index() ? device.index() : c10::DeviceIndex(0));
  return stats.allocated_bytes[static_cast<size_t>(c10::CachingAllocator::StatType::AGGREGATE)].peak;
}

}  // namespace liere
