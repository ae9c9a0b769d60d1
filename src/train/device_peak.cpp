#include "train/device_peak.h"

#include <algorithm>
#include <limits>

namespace liere {
namespace {

/// Fused multiply-adds per clock and multiprocessor.
struct Rates {
  int bf16, fp32, fp64;
};

std::optional<Rates> rates_of(const GpuFigures& gpu) {
  // GeForce boards sum bf16 products in fp32 at half the rate of the same chip elsewhere.
  const int graphics_bf16 = gpu.name.find("GeForce") != std::string::npos ? 256 : 512;
  switch (gpu.major * 10 + gpu.minor) {
    case 80: return Rates{1024, 64, 64};
    case 86:
    case 89:
    case 120: return Rates{graphics_bf16, 128, 2};
    case 90: return Rates{2048, 128, 128};
    case 100: return Rates{4096, 128, 64};
    default: return std::nullopt;
  }
}

/// The clock at which the data sheet counts the tensor cores' bf16 rate, where it is not the highest one.
double sheet_clock(const GpuFigures& gpu) {
  const auto named = [&gpu](const char* part) { return gpu.name.find(part) != std::string::npos; };
  if (gpu.major == 9) return named("PCIe") ? 1.62e9 : named("NVL") ? 1.545e9 : 1.83e9;  // 756, 835 and 989 TFLOP/s
  if (gpu.major == 10) return 1.855e9;                                                  // B200: 2250 TFLOP/s
  return std::numeric_limits<double>::infinity();
}

}  // namespace

std::optional<FmaPeak> data_sheet_peak(const GpuFigures& gpu, FmaKind kind) {
  const auto rates = rates_of(gpu);
  if (!rates) return std::nullopt;
  const bool bf16 = kind == FmaKind::kBf16;
  const int rate = bf16 ? rates->bf16 : kind == FmaKind::kFp32 ? rates->fp32 : rates->fp64;
  const double clock = bf16 ? std::min(gpu.clock_hz, sheet_clock(gpu)) : gpu.clock_hz;
  return FmaPeak{2.0 * rate * gpu.multiprocessors * clock, gpu.multiprocessors, std::string(bf16 ? "bf16, dense" : kind == FmaKind::kFp32 ? "fp32" : "fp64") + ", by data sheet"};
}

}  // namespace liere
