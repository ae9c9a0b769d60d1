// The decision about the device from made-up machines: what it says is what the user acts on.
#include "train/device.h"

#include "core/check.h"
#include "support/catch.h"

using namespace liere;

namespace {

CudaState good_machine() {
  return {.built = true, .gpu_present = true, .devices = 2, .driver_version = 13000, .runtime_version = 13000, .name = "GPU X"};
}

std::string refusal(const CudaState& state, int local_rank = 0) {
  try {
    decide_device("cuda", state, local_rank);
  } catch (const DeviceError& error) {
    CHECK(error.code() == ExitCode::kDevice);
    return error.what();
  }
  return "not refused";
}

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

}  // namespace

TEST_CASE("device: cuda that cannot be had is an error with a remedy", "[device]") {
  CudaState state;
  CHECK(contains(refusal(state), "built without CUDA, and no NVIDIA GPU was found"));
  CHECK(contains(refusal(state), "preset cuda"));
  state.gpu_present = true;
  CHECK(contains(refusal(state), "although this machine has an NVIDIA GPU"));

  state = good_machine();
  state.devices = 0;
  state.driver_version = 12040;
  state.failure = "CUDA driver version is insufficient for CUDA runtime version";
  CHECK(contains(refusal(state), "knows CUDA 12.4, this program needs CUDA 13.0"));
  CHECK(contains(refusal(state), "newer NVIDIA driver"));
  state.driver_version = 13000;
  state.failure = "system not yet initialized";
  CHECK(contains(refusal(state), "system not yet initialized"));
  state.gpu_present = false;
  CHECK(contains(refusal(state), "no NVIDIA GPU was found"));

  state = good_machine();
  CHECK(contains(refusal(state, 2), "Start at most 2 processes"));
  state.runs_kernels = false;
  state.architecture = "7.5";
  CHECK(contains(refusal(state), "compute capability 7.5"));
}

TEST_CASE("device: auto takes the GPU that works and says why not otherwise", "[device]") {
  const auto gpu = decide_device("auto", good_machine(), 1);
  CHECK(gpu.device == torch::Device(torch::kCUDA, 1));
  CHECK(gpu.reason == "device: cuda:1, GPU X (auto)");

  const auto plain = decide_device("auto", CudaState{});
  CHECK(plain.device.is_cpu());
  CHECK(plain.reason == "device: cpu (auto: this program was built without CUDA)");
  CHECK_FALSE(plain.warning);

  auto state = good_machine();
  state.devices = 0;
  state.driver_version = 12040;
  const auto unused = decide_device("auto", state);
  CHECK(unused.device.is_cpu());
  CHECK(unused.warning);
  CHECK(contains(unused.reason, "driver is too old"));

  CHECK(decide_device("cpu", good_machine()).device.is_cpu());
  CHECK_THROWS_AS(decide_device("gpu", good_machine()), ConfigError);
}

TEST_CASE("device: bf16 of a GPU that has none is refused, in words", "[device]") {
  const GpuFigures old{"Tesla V100-SXM2-16GB", 7, 0, 80, 1.53e9}, ampere{"NVIDIA A100", 8, 0, 108, 1.41e9};
  CHECK_NOTHROW(check_precision(ampere, FmaKind::kBf16));
  CHECK_NOTHROW(check_precision(old, FmaKind::kFp32));
  CHECK_NOTHROW(check_precision(old, FmaKind::kFp64));
  try {
    check_precision(old, FmaKind::kBf16);
    FAIL("bf16 of a V100 was not refused");
  } catch (const DeviceError& error) {
    CHECK(error.code() == ExitCode::kDevice);
    CHECK(contains(error.what(), "Tesla V100-SXM2-16GB has compute capability 7.0 and bf16 needs 8.0"));
    CHECK(contains(error.what(), "train.precision=fp32"));
  }
}

TEST_CASE("device: the attention kernel that is asked for serves, or is refused", "[device]") {
  const std::vector<int64_t> shape = {2, 3, 17, 32};
  const struct Restore {
    ~Restore() { choose_attention(AttentionKernel::kAuto, torch::kCPU, torch::kFloat32, {1, 1, 2, 8}); }
  } restore;
  CHECK(choose_attention(AttentionKernel::kAuto, torch::kCPU, torch::kFloat32, shape) == AttentionKernel::kFlash);
  CHECK(choose_attention(AttentionKernel::kMath, torch::kCPU, torch::kFloat32, shape) == AttentionKernel::kMath);
  CHECK(choose_attention(AttentionKernel::kFlash, torch::kCPU, torch::kBFloat16, shape) == AttentionKernel::kFlash);
  for (const auto kernel : {AttentionKernel::kEfficient, AttentionKernel::kCudnn})
    try {
      choose_attention(kernel, torch::kCPU, torch::kFloat32, shape);
      FAIL("a kernel for GPUs served the CPU");
    } catch (const DeviceError& error) {
      CHECK(contains(error.what(), "cannot serve queries of shape [2, 3, 17, 32] in Float on cpu"));
      CHECK(contains(error.what(), "train.attention="));
    }
  CHECK(choose_attention(AttentionKernel::kAuto, torch::kCPU, torch::kFloat32, shape) == AttentionKernel::kFlash);
}

TEST_CASE("the device of this machine can be used or is refused in words", "[device]") {
  const CudaState state = read_cuda_state();
#ifndef LIERE_CUDA
  CHECK_FALSE(state.built);
#endif
  if (state.devices > 0)
    CHECK(torch::ones({2}, decide_device("cuda", state).device).sum().item<float>() == 2.0f);
  else
    CHECK(contains(refusal(state), "device=cpu"));
  CHECK(choose_device("cpu").is_cpu());
}
