// Peaks from compute capability, multiprocessors and clock against NVIDIA's data sheets (dense figures).
#include "train/device_peak.h"

#include "support/catch.h"

using namespace liere;

namespace {

double tera(const GpuFigures& gpu, FmaKind kind) { return data_sheet_peak(gpu, kind)->flop_per_second / 1e12; }

const GpuFigures kA100{"NVIDIA A100-SXM4-80GB", 8, 0, 108, 1.41e9}, kA40{"NVIDIA A40", 8, 6, 84, 1.74e9}, kRtx3090{"NVIDIA GeForce RTX 3090", 8, 6, 82, 1.695e9},
    kRtx4090{"NVIDIA GeForce RTX 4090", 8, 9, 128, 2.52e9}, kL40s{"NVIDIA L40S", 8, 9, 142, 2.52e9}, kH100{"NVIDIA H100 80GB HBM3", 9, 0, 132, 1.98e9},
    kH100Pcie{"NVIDIA H100 PCIe", 9, 0, 114, 1.755e9}, kH200{"NVIDIA H200", 9, 0, 132, 1.98e9}, kB200{"NVIDIA B200", 10, 0, 148, 1.965e9};

}  // namespace

TEST_CASE("device peak: the data sheets' dense bf16, fp32 and fp64 figures to a percent", "[device]") {
  CHECK(tera(kA100, FmaKind::kBf16) == Approx(312).epsilon(0.01));
  CHECK(tera(kA40, FmaKind::kBf16) == Approx(149.7).epsilon(0.01));
  CHECK(tera(kRtx3090, FmaKind::kBf16) == Approx(71).epsilon(0.01));
  CHECK(tera(kRtx4090, FmaKind::kBf16) == Approx(165.2).epsilon(0.01));
  CHECK(tera(kL40s, FmaKind::kBf16) == Approx(366).epsilon(0.012));
  CHECK(tera(kH100, FmaKind::kBf16) == Approx(989.4).epsilon(0.01));
  CHECK(tera(kH100Pcie, FmaKind::kBf16) == Approx(756).epsilon(0.01));
  CHECK(tera(kH200, FmaKind::kBf16) == Approx(989.4).epsilon(0.01));
  CHECK(tera(kB200, FmaKind::kBf16) == Approx(2250).epsilon(0.01));
  CHECK(tera(kA100, FmaKind::kFp32) == Approx(19.5).epsilon(0.01));
  CHECK(tera(kRtx4090, FmaKind::kFp32) == Approx(82.6).epsilon(0.01));
  CHECK(tera(kH100, FmaKind::kFp32) == Approx(66.9).epsilon(0.01));
  CHECK(tera(kA100, FmaKind::kFp64) == Approx(19.5).epsilon(0.01));
  CHECK(tera(kH100, FmaKind::kFp64) == Approx(66.9).epsilon(0.01));
}

TEST_CASE("device peak: it says what it is, and nothing where nothing is known", "[device]") {
  const auto peak = data_sheet_peak(kH100, FmaKind::kBf16);
  REQUIRE(peak);
  CHECK(peak->threads == 132);
  CHECK(peak->instruction == "bf16, dense, by data sheet");
  CHECK(data_sheet_peak(kH100, FmaKind::kFp32)->instruction == "fp32, by data sheet");
  CHECK_FALSE(data_sheet_peak({"NVIDIA T4", 7, 5, 40, 1.59e9}, FmaKind::kBf16));
  CHECK_FALSE(data_sheet_peak({"a GPU of tomorrow", 15, 0, 200, 2e9}, FmaKind::kFp32));
}
