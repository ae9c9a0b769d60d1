// The GPU's kernels as one table, free of torch: the plans are the CPU's, the pointers are the device's, and each call queues its work on `stream` (a
// cudaStream_t) and returns the CUDA error of its launches, 0 for success. None waits for the device or reads from it, none launches by what the data holds, and
// sums are made in an order that depends on shapes alone. device_kernels.cu fills the table; compiled for the CPU (tests/support/cuda_on_cpu) the same sources
// fill another, so that tests run everything up to the launch, and the kernels themselves, without a GPU.
#pragma once

#include "models/kernels/block_kernels.h"
#include "models/kernels/dropout.h"
#include "models/kernels/short_attention.h"
#include "models/kernels/skew_exp.h"
#include "models/kernels/turn_kernels.h"

#ifdef LIERE_CUDA_ON_CPU  // names of their own, so that one program can hold both tables
#define cuda_kernels cuda_kernels_on_cpu
#define exp_device_kernels exp_device_kernels_on_cpu
#define turn_device_kernels_float turn_device_kernels_float_on_cpu
#define turn_device_kernels_bfloat16 turn_device_kernels_bfloat16_on_cpu
#define block_device_kernels_float block_device_kernels_float_on_cpu
#define block_device_kernels_bfloat16 block_device_kernels_bfloat16_on_cpu
#define add_chunks_device add_chunks_device_on_cpu
#define attention_device_kernels attention_device_kernels_on_cpu
#define dropout_device dropout_device_on_cpu
#define kernels_available kernels_available_on_cpu
#define device_attributes device_attributes_on_cpu
#endif

namespace liere {

/// What kernels are chosen by, of the current device.
struct DeviceAttributes {
  int compute_capability = 0;          // 10 * major + minor
  int shared_memory = 0;               // bytes that a block of threads may ask for
  int multiprocessors = 0;
};

/// How a GPU multiplies the matrices of the exponential: on tensor cores, each factor as two halves (blocks of 32 and 64), or in fp32.
enum class ExpKernel { kAuto, kTensorCores, kFp32 };

/// skew_exp.h on the device. `workspace` is the scratch memory in bytes that backward needs (of this plan, 16-byte aligned; uninitialised); forward ignores its own.
struct DeviceExpKernels {
  bool (*serves)(const SkewExpPlan<float>&);
  int64_t (*workspace)(const SkewExpPlan<float>&);
  int (*forward)(const SkewExpPlan<float>&, void* workspace, void* stream);
  int (*backward)(const SkewExpPlan<float>&, void* workspace, void* stream);
  /// Which kernel serves blocks of this side on a device of these attributes, given that `asked` is asked for: kTensorCores or kFp32; kAuto where none does.
  ExpKernel (*choice)(int64_t block, ExpKernel asked, const DeviceAttributes& attributes);
  /// From now on calls are served as if `asked` were asked for where there is such a kernel; the default is kAuto.
  void (*ask)(ExpKernel asked);
};

/// turn_kernels.h on the device: T is float or Bfloat16Bits.
template <class T>
struct DeviceTurnKernels {
  bool (*serves)(const TurnPlan<T>&);
  int64_t (*workspace)(const TurnPlan<T>&);
  int (*forward)(const TurnPlan<T>&, void* stream);
  int (*backward)(const TurnPlan<T>&, void* workspace, void* stream);
};

/// Rows whose sums one block of threads makes.
constexpr int64_t kDeviceChunkRows = 32;
constexpr int64_t device_chunks_of(int64_t rows) { return (rows + kDeviceChunkRows - 1) / kDeviceChunkRows; }

/// block_kernels.h on the device; pointers are 16-byte aligned. Sums are per chunk of kDeviceChunkRows rows (not kChunkRows); add_chunks adds them up.
template <class T>
struct DeviceBlockKernels {
  bool (*serves)(int64_t width);
  int (*add_norm)(const AddNormForward<T>&, void* stream);
  int (*add_norm_backward)(const AddNormBackward<T>&, void* stream);
  int (*gelu)(const GeluPlan<T>&, void* stream);
  int (*gelu_backward)(const GeluPlan<T>&, void* stream);
};

/// short_attention.h on the device, for all `pairs` = samples * heads at once. What serves() has seen forward serves backward.
struct DeviceAttentionKernels {
  bool (*serves)(const ShortAttention&);
  int (*forward)(const ShortAttention&, int64_t pairs, void* stream);
  int (*backward)(const ShortAttention&, int64_t pairs, void* stream);
};

struct DeviceDropoutKernels {
  int (*float32)(const DropoutParams&, const float* in, float* out, void* stream);
  int (*float64)(const DropoutParams&, const double* in, double* out, void* stream);
  int (*bfloat16)(const DropoutParams&, const Bfloat16Bits* in, Bfloat16Bits* out, void* stream);
};

struct DeviceKernels {
  DeviceExpKernels exp;
  DeviceTurnKernels<float> turn_float;
  DeviceTurnKernels<Bfloat16Bits> turn_bfloat16;
  DeviceBlockKernels<float> block_float;
  DeviceBlockKernels<Bfloat16Bits> block_bfloat16;
  /// sums [chunks, W] -> out [W], added in the order of the chunks.
  int (*add_chunks)(const float* sums, int64_t chunks, int64_t width, float* out, void* stream);
  DeviceAttentionKernels attention;
  DeviceDropoutKernels dropout;
  /// Whether the kernels of this program were compiled for GPU number `device`.
  bool (*available)(int device);
  DeviceAttributes (*attributes)();
};

/// The table of this build (LIERE_CUDA), or of the emulation in the tests.
const DeviceKernels& cuda_kernels();

// What the .cu files give to it.
DeviceExpKernels exp_device_kernels();                                // skew_exp_cuda.cu
DeviceTurnKernels<float> turn_device_kernels_float();                 // turn_cuda.cu
DeviceTurnKernels<Bfloat16Bits> turn_device_kernels_bfloat16();
DeviceBlockKernels<float> block_device_kernels_float();               // block_cuda.cu
DeviceBlockKernels<Bfloat16Bits> block_device_kernels_bfloat16();
DeviceAttentionKernels attention_device_kernels();                    // short_attention_cuda.cu
int add_chunks_device(const float* sums, int64_t chunks, int64_t width, float* out, void* stream);
int dropout_device(const DropoutParams&, const float*, float*, void* stream);  // dropout_cuda.cu
int dropout_device(const DropoutParams&, const double*, double*, void* stream);
int dropout_device(const DropoutParams&, const Bfloat16Bits*, Bfloat16Bits*, void* stream);
bool kernels_available(int device);                                   // device_kernels.cu
DeviceAttributes device_attributes();

}  // namespace liere
