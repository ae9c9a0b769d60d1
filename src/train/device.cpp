#include "train/device.h"

#include <ATen/SDPBackend.h>
#include <c10/core/CachingDeviceAllocator.h>

#include <filesystem>

#include "core/check.h"
#include "core/log.h"
#include "core/machine.h"
#include "models/kernels/device_dispatch.h"

#ifdef LIERE_CUDA
#include <c10/cuda/CUDAFunctions.h>
#include <cuda_runtime_api.h>
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
  int clock_khz = 0;
  cudaDeviceGetAttribute(&clock_khz, cudaDevAttrClockRate, local_rank);
  state.figures = GpuFigures{state.name, properties.major, properties.minor, properties.multiProcessorCount, 1e3 * clock_khz};
  state.architecture = std::to_string(properties.major) + "." + std::to_string(properties.minor);
  state.runs_kernels = cuda_kernels().available(local_rank);
#endif
  return state;
}

void check_precision(const GpuFigures& gpu, FmaKind kind) {
  if (kind != FmaKind::kBf16 || gpu.major >= 8) return;
  throw DeviceError("train.precision is bf16, but " + gpu.name + " has compute capability " + std::to_string(gpu.major) + "." + std::to_string(gpu.minor) +
                    " and bf16 needs 8.0 (Ampere) or newer. Use train.precision=fp32, or device=cpu.");
}

torch::Device choose_device(const std::string& key, FmaKind kind, int local_rank) {
  const CudaState state = key == "cpu" ? CudaState{} : read_cuda_state(local_rank);
  const DeviceChoice choice = decide_device(key, state, local_rank);
  choice.warning ? log_warning(choice.reason) : log_info(choice.reason);
  if (!choice.device.is_cpu()) {
    if (state.figures) check_precision(*state.figures, kind);
    at::globalContext().setFloat32MatmulPrecision("highest");
    at::globalContext().setAllowTF32CuDNN(false);
    log_info("fp32 products are computed in fp32 (TF32 is off)");
  }
#ifdef LIERE_CUDA
  if (choice.device.is_cuda()) c10::cuda::set_device(choice.device.index());
#endif
  return choice.device;
}

std::optional<GpuFigures> gpu_figures(torch::Device device) {
  if (device.is_cpu()) return std::nullopt;
  return read_cuda_state(device.has_index() ? device.index() : 0).figures;
}

AttentionKernel choose_attention(AttentionKernel asked, torch::Device device, torch::Dtype dtype, at::IntArrayRef shape_BHTd) {
  using enum AttentionKernel;
  auto& context = at::globalContext();
  const auto allowed = [asked](AttentionKernel kernel) { return asked == kAuto || asked == kernel; };
  context.setSDPUseFlash(allowed(kFlash));
  context.setSDPUseMemEfficient(allowed(kEfficient));
  context.setSDPUseCuDNN(allowed(kCudnn));
  context.setSDPUseMath(allowed(kMath));
  // Separate tensors: in training the three are views of one projection, or copies of it, with a gradient.
  const auto like = torch::TensorOptions().device(device).dtype(dtype).requires_grad(true);
  const auto q_BHTd = torch::empty(shape_BHTd, like), k_BHTd = torch::empty(shape_BHTd, like), v_BHTd = torch::empty(shape_BHTd, like);
  auto backend = at::SDPBackend::error;
  try {
    backend = static_cast<at::SDPBackend>(at::_fused_sdp_choice(q_BHTd, k_BHTd, v_BHTd));
  } catch (const c10::Error&) {  // some versions throw where none is left
  }
  const auto found = backend == at::SDPBackend::flash_attention       ? kFlash
                     : backend == at::SDPBackend::efficient_attention ? kEfficient
                     : backend == at::SDPBackend::cudnn_attention     ? kCudnn
                                                                      : kMath;
  if (backend == at::SDPBackend::error || (asked != kAuto && found != asked))
    throw DeviceError("train.attention=" + std::string(name_of(asked)) + " cannot serve queries of shape " + c10::str(shape_BHTd) + " in " + c10::toString(dtype) + " on " + device.str() +
                      ". Leave the key at auto, or choose another kernel.");
  return found;
}

void choose_exp_kernel([[maybe_unused]] ExpKernel asked, torch::Device device, [[maybe_unused]] int64_t block) {
  const DeviceKernels* const kernels = device_kernels(torch::empty({0}, device));
  if (!kernels) return;
  const auto attributes = kernels->attributes();
  const auto found = kernels->exp.choice(block, asked, attributes);
  const std::string where = "compute capability " + std::to_string(attributes.compute_capability / 10) + "." + std::to_string(attributes.compute_capability % 10) + ", " +
                            std::to_string(attributes.shared_memory / 1024) + " KiB of shared memory a block, multiprocessors: " + std::to_string(attributes.multiprocessors);
  if (asked != ExpKernel::kAuto && found != asked)
    throw ConfigError("train.exp_kernel is " + std::string(name_of(asked)) + ", but blocks of " + std::to_string(block) + " have no such kernel on this device (" + where +
                      "). Leave the key at auto.");
  kernels->exp.ask(asked);
  log_info("exponential of blocks of " + std::to_string(block) + ": " +
           (found == ExpKernel::kAuto ? "composed of torch's operations" : found == ExpKernel::kFp32 ? "the fp32 kernel" : "the tensor cores' kernel") + " (" +
           (asked == ExpKernel::kAuto ? "" : "as configured; ") + where + ")");
}

std::optional<int64_t> peak_memory_of(torch::Device device) {
  if (device.is_cpu()) return peak_memory();
  const auto stats = c10::getDeviceAllocator(device.type())->getDeviceStats(device.has_index() ? device.index() : c10::DeviceIndex(0));
  return stats.allocated_bytes[static_cast<size_t>(c10::CachingAllocator::StatType::AGGREGATE)].peak;
}

void reset_peak_memory(torch::Device device) {
  if (device.is_cpu()) return;
  c10::getDeviceAllocator(device.type())->resetPeakStats(device.has_index() ? device.index() : c10::DeviceIndex(0));
}

}  // namespace liere
