// Which device a command runs on: the key `device: auto | cpu | cuda`. Never a silent fall-back: `cuda` that cannot be had is an error (exit code 5)
// that says what was found, what is needed and what to do; `auto` says in one line what it chose and why. On a GPU fp32 means fp32: TF32 (a product of 10-bit
// mantissas under that name) stays off, and there is no key for it; who wants speed takes bf16.
#pragma once

#include <torch/torch.h>

#include <optional>
#include <string>

#include "core/fields.h"
#include "models/kernels/device_kernels.h"
#include "train/device_peak.h"

namespace liere {

/// What the machine and this build offer; gathered once, so that the decision itself is a pure function.
struct CudaState {
  bool built = false;        // this program contains CUDA kernels
  bool gpu_present = false;  // the kernel driver of an NVIDIA GPU is loaded
  int devices = 0;           // usable GPUs
  std::string failure;       // why there is none: CUDA's own words; empty if there are some
  int driver_version = 0;    // newest CUDA that the driver knows, as 1000 * major + 10 * minor; 0: no driver
  int runtime_version = 0;   // CUDA that this program needs, likewise
  std::string name;          // of the chosen GPU, e.g. "NVIDIA H100 80GB HBM3"
  bool runs_kernels = true;  // our kernels are compiled for the chosen GPU's architecture
  std::string architecture;  // of the chosen GPU, e.g. "7.5"
  std::optional<GpuFigures> figures;  // of the chosen GPU
};

struct DeviceChoice {
  torch::Device device;
  std::string reason;    // one line for the log
  bool warning = false;  // `auto` leaves a GPU unused that looks usable
};

/// `local_rank` numbers the processes on this machine: each has a GPU of its own.
CudaState read_cuda_state(int local_rank = 0);

/// Throws ConfigError for an unknown key and DeviceError where the device cannot be had.
DeviceChoice decide_device(const std::string& key, const CudaState& state, int local_rank = 0);

/// Throws DeviceError when a GPU of these figures cannot compute in `kind` (bf16 needs compute capability 8.0).
void check_precision(const GpuFigures& gpu, FmaKind kind);

/// Decides, checks that the device computes in `kind`, logs the reason, makes the GPU current and TF32 unused.
torch::Device choose_device(const std::string& key, FmaKind kind = FmaKind::kFp32, int local_rank = 0);

/// What the data sheet's peak is made of; nullopt on the CPU.
std::optional<GpuFigures> gpu_figures(torch::Device device);

/// Which of torch's attention kernels serves.
enum class AttentionKernel { kAuto, kFlash, kEfficient, kCudnn, kMath };
template <> struct EnumNames<AttentionKernel> {
  static constexpr std::pair<AttentionKernel, std::string_view> values[] = {{AttentionKernel::kAuto, "auto"}, {AttentionKernel::kFlash, "flash"},
                                                                            {AttentionKernel::kEfficient, "efficient"}, {AttentionKernel::kCudnn, "cudnn"},
                                                                            {AttentionKernel::kMath, "math"}};
};
/// Allows torch this kernel alone (auto: all), for the process. Returns the one that torch takes for queries of `shape_BHTd` in training. Throws DeviceError
/// when the kernel that was asked for cannot serve them.
AttentionKernel choose_attention(AttentionKernel asked, torch::Device device, torch::Dtype dtype, at::IntArrayRef shape_BHTd);

template <> struct EnumNames<ExpKernel> {
  static constexpr std::pair<ExpKernel, std::string_view> values[] = {{ExpKernel::kAuto, "auto"}, {ExpKernel::kTensorCores, "tensor_cores"}, {ExpKernel::kFp32, "fp32"}};
};
/// Makes the GPU's exponential of blocks of this side use this kernel (auto: the best that the device has), for the process, and logs which serves and by what
/// attributes. Throws ConfigError where the device has no such kernel for the block.
void choose_exp_kernel(ExpKernel asked, torch::Device device, int64_t block);

/// The most memory held so far in bytes: of the process (CPU), or of tensors on the device (its allocator).
std::optional<int64_t> peak_memory_of(torch::Device device);
/// Begins to count it anew from what is held now; a process's own cannot be.
void reset_peak_memory(torch::Device device);

}  // namespace liere
