#include "bench/doctor_gpu.h"

#include <ATen/Version.h>
#include <dlfcn.h>

#include <regex>

#include "models/initialize.h"
#include "models/kernels/rotation_exp.h"
#include "train/memory.h"

#ifdef LIERE_CUDA
#include <nccl.h>
#endif

namespace liere {
namespace {

std::string cuda_text(int version) { return std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 10); }
std::string nccl_text(int version) { return std::to_string(version / 10000) + "." + std::to_string(version / 100 % 100) + "." + std::to_string(version % 100); }
std::string gib(double bytes) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f GiB", bytes / (1 << 30));
  return text;
}
Finding broken(const char* topic, const std::string& text) { return {Verdict::kBroken, topic, text, ExitCode::kDevice}; }

Finding driver_finding(const CudaState& state) {
  const std::string driver = "knows CUDA " + cuda_text(state.driver_version) + ", LibTorch needs " + cuda_text(state.runtime_version);
  // Within a major version newer runtimes run on older drivers (minor version compatibility).
  if (state.driver_version / 1000 < state.runtime_version / 1000) return broken("driver", driver + ": install a newer NVIDIA driver");
  if (state.driver_version < state.runtime_version)
    return {Verdict::kNote, "driver", driver + ": within one major version that works, but code compiled at start (PTX) does not"};
  return {Verdict::kGood, "driver", driver};
}

Finding architecture_finding(const CudaState& state, const GpuSoftware& software) {
  const std::string built = "compute capability " + state.architecture + "; kernels are built for " + software.architectures;
  if (state.runs_kernels) return {Verdict::kGood, "architecture", built};
  return broken("architecture", built + ": build with -DCMAKE_CUDA_ARCHITECTURES=native");
}

}  // namespace

GpuSoftware read_gpu_software() {
  GpuSoftware software;
  software.torch_built = std::to_string(TORCH_VERSION_MAJOR) + "." + std::to_string(TORCH_VERSION_MINOR) + "." + std::to_string(TORCH_VERSION_PATCH);
  std::smatch found;
  const std::string configuration = at::show_config();
  if (std::regex_search(configuration, found, std::regex("TORCH_VERSION=([0-9.]+)"))) software.torch_loaded = found[1];
  software.torch_has_cuda = at::globalContext().hasCUDA() || configuration.find("USE_CUDA=ON") != std::string::npos || configuration.find("USE_CUDA=1") != std::string::npos;
#ifdef LIERE_CUDA
  software.architectures = LIERE_CUDA_ARCHITECTURES;
  software.nccl_built = NCCL_VERSION_CODE;
  using GetVersion = int (*)(int*);
  if (const auto version = reinterpret_cast<GetVersion>(dlsym(RTLD_DEFAULT, "ncclGetVersion"))) version(&software.nccl_loaded);
#endif
  return software;
}

std::vector<Finding> software_findings(const GpuSoftware& s) {
  std::vector<Finding> findings;
  const std::string torch = "LibTorch " + (s.torch_loaded.empty() ? "of unknown version" : s.torch_loaded) + (s.torch_has_cuda ? " with CUDA" : " without CUDA") + ", built with " + s.torch_built;
  const auto series = [](const std::string& version) { return version.substr(0, version.rfind('.')); };
  const bool other = !s.torch_loaded.empty() && series(s.torch_loaded) != series(s.torch_built);
  findings.push_back(other ? Finding{Verdict::kBroken, "LibTorch", torch + ": they must agree in their first two numbers; check LIERE_TORCH and LD_LIBRARY_PATH", ExitCode::kFailure}
                           : Finding{Verdict::kGood, "LibTorch", torch});
  findings.push_back({Verdict::kNote, "program", s.architectures.empty() ? "built without CUDA: trains on the CPU" : "built with CUDA for " + s.architectures});
  if (s.nccl_built == 0) return findings;
  if (s.nccl_loaded == 0) findings.push_back({Verdict::kNote, "NCCL", "not loaded (needed for several GPUs alone); built with " + nccl_text(s.nccl_built)});
  else if (s.nccl_loaded / 100 != s.nccl_built / 100)
    findings.push_back({Verdict::kWarning, "NCCL", nccl_text(s.nccl_loaded) + " is loaded, built with " + nccl_text(s.nccl_built) + ": another copy is found first (LD_LIBRARY_PATH, LD_PRELOAD)"});
  else findings.push_back({Verdict::kGood, "NCCL", nccl_text(s.nccl_loaded) + " is loaded, built with " + nccl_text(s.nccl_built)});
  return findings;
}

std::vector<Finding> gpu_findings(const CudaState& state, const GpuSoftware& software) {
  std::vector<Finding> findings;
  if (!state.built) {
    const bool unused = state.gpu_present;
    findings.push_back({unused ? Verdict::kWarning : Verdict::kNote, "GPU",
                        unused ? "an NVIDIA GPU is here, but this program was built without CUDA: build it with scripts/build.sh cuda" : "no GPU: this program was built without CUDA"});
    return findings;
  }
  if (state.devices == 0) {
    if (state.gpu_present && state.driver_version > 0) findings.push_back(driver_finding(state));
    findings.push_back(state.gpu_present ? broken("GPU", "an NVIDIA GPU is here, but CUDA cannot use it: " + state.failure + " (check nvidia-smi and CUDA_VISIBLE_DEVICES)")
                                         : Finding{Verdict::kNote, "GPU", "no GPU: " + state.failure});
    return findings;
  }
  std::string name = std::to_string(state.devices) + " usable, the first: " + state.name;
  if (state.figures) {
    char text[64];
    std::snprintf(text, sizeof text, ", %d multiprocessors, up to %.0f MHz", state.figures->multiprocessors, state.figures->clock_hz / 1e6);
    name += text;
  }
  findings.push_back({Verdict::kGood, "GPU", name});
  findings.push_back(driver_finding(state));
  findings.push_back(architecture_finding(state, software));
  if (state.figures) {
    const bool bf16 = state.figures->major >= 8;
    const auto peak = data_sheet_peak(*state.figures, FmaKind::kBf16);
    char text[64] = "yes; the peak of this GPU is not known here, so no MFU";
    if (peak) std::snprintf(text, sizeof text, "yes, %.0f TFLOP/s by data sheet", peak->flop_per_second / 1e12);
    findings.push_back(bf16 ? Finding{Verdict::kGood, "bf16", text} : Finding{Verdict::kWarning, "bf16", "no: it needs compute capability 8.0; use train.precision=fp32"});
  }
  return findings;
}

Finding try_device(torch::Device device) {
  try {
    const torch::NoGradGuard no_grad;
    const auto a = torch::full({64, 64}, 0.5f, device);
    const double product = a.matmul(a).sum().item<double>();
    if (product != 65536) return broken("computing", "a product in LibTorch on " + device.str() + " is wrong: " + std::to_string(product) + " instead of 65536");
    const auto generators = torch::empty({2, 1, 1, 2, 28});
    initialize_uniform(generators, /*seed=*/0, "generators", 0, 1);
    const auto positions = torch::linspace(0, 1, 10).view({5, 2});
    const auto found = rotation_exp(generators.to(device), positions.to(device), 8).cpu();
    const double difference = (found - rotation_exp(generators, positions, 8, RotationPath::kReference)).abs().max().item<double>();
    char text[120];
    std::snprintf(text, sizeof text, "rotations on %s are %.0e from the CPU's reference, of entries up to 1", device.str().c_str(), difference);
    return difference < 1e-5 ? Finding{Verdict::kGood, "computing", text} : broken("computing", text);
  } catch (const std::exception& error) {
    const std::string words = error.what();
    return broken("computing", device.str() + " fails: " + words.substr(0, words.find('\n')));
  }
}

std::vector<Finding> torch_findings() {
  const auto software = read_gpu_software();
  const auto state = read_cuda_state();
  auto findings = software_findings(software);
  for (auto& finding : gpu_findings(state, software)) findings.push_back(std::move(finding));
  const bool usable = state.built && state.devices > 0 && state.runs_kernels;
  const torch::Device device = usable ? torch::Device(torch::kCUDA, 0) : torch::Device(torch::kCPU);
  findings.push_back(try_device(device));
  if (usable && findings.back().verdict == Verdict::kGood) {
    const double available = available_memory(device);
    findings.push_back({available < 4e9 ? Verdict::kWarning : Verdict::kGood, "GPU memory", gib(available) + " free" + (available < 4e9 ? ": another process holds the rest (nvidia-smi)" : "")});
  }
  return findings;
}

}  // namespace liere
