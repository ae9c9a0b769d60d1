// The measured peak and memory: orders of magnitude that hold on every machine.
#include "core/machine.h"

#include <algorithm>
#include <chrono>
#include <vector>

#include "support/catch.h"

using namespace liere;

TEST_CASE("the FMA peak is measured quickly and is plausible", "[machine]") {
  for (const auto kind : {FmaKind::kFp32, FmaKind::kFp64, FmaKind::kBf16}) {
    const auto start = std::chrono::steady_clock::now();
    const FmaPeak peak = measure_fma_peak(1, kind);
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
    INFO(peak.instruction << ": " << peak.flop_per_second / 1e9 << " GFLOP/s");
    CHECK(peak.flop_per_second > 1e8);
    CHECK(peak.flop_per_second < 2e12);  // of one thread
    CHECK(peak.threads == 1);
    CHECK_FALSE(peak.instruction.empty());
    CHECK(seconds.count() < 5);
  }
}

TEST_CASE("the share of the peak: six FLOP per multiply-add of the forward pass", "[machine]") {
  CHECK(model_flop_share(1e9, 100, FmaPeak{1.2e12, 4, ""}) == Approx(0.5));
}

TEST_CASE("peak memory grows with what is touched and never falls", "[machine]") {
  const auto before = peak_memory();
  if (!before) return;  // no /proc
  CHECK(*before > int64_t{1} << 20);
  {
    std::vector<char> block(size_t{64} << 20, 1);
    CHECK(std::count(block.begin(), block.end(), 1) == int64_t{64} << 20);
  }
  const auto after = peak_memory();
  REQUIRE(after);
  CHECK(*after >= int64_t{64} << 20);
  CHECK(*after >= *before);
}
