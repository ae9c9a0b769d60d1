// The doctor's verdicts on LibTorch and GPUs, and the clocks of the benchmarks.
#include "bench/doctor_gpu.h"

#include <thread>

#include "bench/timing.h"
#include "support/catch.h"
#include "support/matchers.h"

using namespace liere;

namespace {

CudaState h100() {
  CudaState state;
  state.built = state.gpu_present = true;
  state.devices = 1;
  state.driver_version = state.runtime_version = 13000;
  state.name = "NVIDIA H100 80GB HBM3";
  state.architecture = "9.0";
  state.figures = GpuFigures{state.name, 9, 0, 132, 1.98e9};
  return state;
}

GpuSoftware software() {
  GpuSoftware s;
  s.torch_built = s.torch_loaded = "2.11.0";
  s.architectures = "90a-real";
  s.nccl_built = s.nccl_loaded = 22809;
  s.torch_has_cuda = true;
  return s;
}

const Finding& topic(const std::vector<Finding>& findings, const std::string& name) {
  for (const auto& finding : findings)
    if (finding.topic == name) return finding;
  FAIL("no finding about " << name);
  return findings.front();
}

ExitCode code_of(const CudaState& state) { return DoctorReport{gpu_findings(state, software())}.exit_code(); }

}  // namespace

TEST_CASE("doctor: a GPU that serves") {
  const auto findings = gpu_findings(h100(), software());
  for (const auto& finding : findings) CHECK(finding.verdict == Verdict::kGood);
  CHECK_THAT(topic(findings, "GPU").text, test::has("1 usable, the first: NVIDIA H100 80GB HBM3, 132 multiprocessors, up to 1980 MHz"));
  CHECK_THAT(topic(findings, "architecture").text, test::has("9.0; kernels are built for 90a-real"));
  CHECK_THAT(topic(findings, "bf16").text, test::has("989 TFLOP/s"));
}

TEST_CASE("doctor: drivers older than LibTorch's CUDA") {
  auto state = h100();
  state.driver_version = 12080;
  CHECK(topic(gpu_findings(state, software()), "driver").verdict == Verdict::kBroken);
  CHECK_THAT(topic(gpu_findings(state, software()), "driver").text, test::has("knows CUDA 12.8, LibTorch needs CUDA 13.0"));
  CHECK(code_of(state) == ExitCode::kDevice);
  state.runtime_version = 12090;
  CHECK(topic(gpu_findings(state, software()), "driver").verdict == Verdict::kNote);
  CHECK(code_of(state) == ExitCode::kDone);
}

TEST_CASE("doctor: a GPU that the kernels were not built for, or without bf16") {
  auto state = h100();
  state.runs_kernels = false;
  CHECK(topic(gpu_findings(state, software()), "architecture").verdict == Verdict::kBroken);
  state = h100();
  state.figures->major = 7;
  CHECK(topic(gpu_findings(state, software()), "bf16").verdict == Verdict::kWarning);
  state.figures = GpuFigures{"a new one", 13, 0, 10, 1e9};
  CHECK_THAT(topic(gpu_findings(state, software()), "bf16").text, test::has("not known"));
}

TEST_CASE("doctor: no GPU is no fault, one that cannot be used is") {
  CudaState state;
  CHECK_THAT(gpu_findings(state, software())[0].text, test::has("no GPU"));
  CHECK(code_of(state) == ExitCode::kDone);
  state.gpu_present = true;
  CHECK(gpu_findings(state, software())[0].verdict == Verdict::kWarning);
  state.built = true;
  state.failure = "initialization error";
  CHECK(code_of(state) == ExitCode::kDevice);
  state.gpu_present = false;
  CHECK_THAT(gpu_findings(state, software())[0].text, test::has("no GPU: initialization error"));
  CHECK(code_of(state) == ExitCode::kDone);
}

TEST_CASE("doctor: versions of LibTorch and NCCL, built and loaded") {
  CHECK(topic(software_findings(software()), "NCCL").verdict == Verdict::kGood);
  CHECK_THAT(topic(software_findings(software()), "NCCL").text, test::has("2.28.9"));
  auto s = software();
  s.nccl_loaded = 22705;
  CHECK(topic(software_findings(s), "NCCL").verdict == Verdict::kWarning);
  s.nccl_loaded = 0;
  CHECK(topic(software_findings(s), "NCCL").verdict == Verdict::kNote);
  s.torch_loaded = "2.12.1";
  CHECK(topic(software_findings(s), "LibTorch").verdict == Verdict::kBroken);
  s.torch_loaded = "2.11.3";
  CHECK(topic(software_findings(s), "LibTorch").verdict == Verdict::kGood);
  s.torch_loaded = "";
  CHECK(topic(software_findings(s), "LibTorch").verdict == Verdict::kGood);
}

TEST_CASE("doctor: what this program was built with is what is loaded") {
  const auto s = read_gpu_software();
  CHECK(s.torch_built == s.torch_loaded);
#ifdef LIERE_CUDA
  CHECK_FALSE(s.architectures.empty());
  CHECK(s.nccl_built > 20000);
  CHECK(s.nccl_loaded / 100 == s.nccl_built / 100);
#else
  CHECK(s.architectures.empty());
#endif
}

TEST_CASE("doctor: the device computes") {
  const auto finding = try_device(torch::kCPU);
  INFO(finding.text);
  CHECK(finding.verdict == Verdict::kGood);
  // A device of this program's that is not there fails in words. (The lazy backend is never built in.)
  const auto failing = try_device(torch::Device(torch::kXPU, 0));
  CHECK(failing.verdict == Verdict::kBroken);
  CHECK(failing.code == ExitCode::kDevice);
}

TEST_CASE("timing: forms in turn, each with its own length") {
  int64_t fast = 0, slow = 0;
  const auto nap = [](int milliseconds) { std::this_thread::sleep_for(std::chrono::milliseconds(milliseconds)); };
  const int before = torch::get_num_threads();
  torch::set_num_threads(2);  // so that the clock counts, not the processor's time
  const auto times = time_in_turn({{"fast", [&] { ++fast, nap(2); }}, {"slow", [&] { ++slow, nap(6); }}}, 0.01);
  torch::set_num_threads(before);
  REQUIRE(times.size() == 2);
  CHECK(times[0].rounds >= 3);
  CHECK(times[0].rounds == times[1].rounds);
  CHECK(times[0].low >= 0.002);
  CHECK(times[1].low >= 0.006);
  CHECK(times[0].low <= times[0].median);
  CHECK(times[0].median <= times[0].high);
  CHECK(slow >= 5);
}

TEST_CASE("timing: what a machine offers") {
  CHECK(copy_bandwidth(1 << 20) > 1e6);
  CHECK(peak_of(torch::kCPU, FmaKind::kFp32).flop_per_second > 1e6);
  CHECK_FALSE(peak_bytes_of([] {}, torch::kCPU));
  CHECK_THAT(device_text(torch::kCPU), test::has("thread"));
}
