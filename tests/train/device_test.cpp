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
