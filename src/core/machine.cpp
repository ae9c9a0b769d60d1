#include "core/machine.h"

#include <unistd.h>
#include <xxhash.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <numeric>
#include <thread>
#include <vector>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace liere {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int kRounds = 4096;
constexpr int kChains = 16;  // independent sums: latency x throughput of every processor in use is at most 10
constexpr int kCallsPerWindow = 8;  // some 0.2 ms: shorter than a scheduler's time slice, so that a busy machine has windows without interruption
constexpr auto kDuration = std::chrono::milliseconds(40);

/// One call's FLOP, and the function that spends it; its result must be used.
struct Kernel {
  double (*run)(double);
  double flop;
  const char* name;
};

template <class T>
double plain(double start) {
  constexpr int kLanes = 64;
  T sums[kLanes];
  for (int i = 0; i < kLanes; ++i) sums[i] = static_cast<T>(start + i);
  for (int round = 0; round < kRounds; ++round)
    for (int i = 0; i < kLanes; ++i) sums[i] = sums[i] * static_cast<T>(0.5) + static_cast<T>(1);
  return static_cast<double>(sums[0] + sums[kLanes - 1]);
}

#if defined(__x86_64__)
// The sums stay in registers: arrays of a constant size, loops unrolled by the compiler.
#define LIERE_FMA_KERNEL(name, features, vector, set, fma, add, last)                 \
  __attribute__((target(features))) double name(double start) {                       \
    vector sums[kChains];                                                             \
    const vector factor = set(0.5), term = set(start);                                \
    _Pragma("GCC unroll 16") for (int i = 0; i < kChains; ++i) sums[i] = set(start + i);          \
    for (int round = 0; round < kRounds; ++round)                                     \
      _Pragma("GCC unroll 16") for (int i = 0; i < kChains; ++i) sums[i] = fma(sums[i], factor, term); \
    _Pragma("GCC unroll 16") for (int i = 1; i < kChains; ++i) sums[0] = add(sums[0], sums[i]);   \
    return static_cast<double>(last(sums[0]));                                        \
  }
#define LIERE_SET_PS512(x) _mm512_set1_ps(static_cast<float>(x))
#define LIERE_SET_PS256(x) _mm256_set1_ps(static_cast<float>(x))
LIERE_FMA_KERNEL(avx512_fp32, "avx512f", __m512, LIERE_SET_PS512, _mm512_fmadd_ps, _mm512_add_ps, _mm512_cvtss_f32)
LIERE_FMA_KERNEL(avx512_fp64, "avx512f", __m512d, _mm512_set1_pd, _mm512_fmadd_pd, _mm512_add_pd, _mm512_cvtsd_f64)
LIERE_FMA_KERNEL(avx2_fp32, "avx2,fma", __m256, LIERE_SET_PS256, _mm256_fmadd_ps, _mm256_add_ps, _mm256_cvtss_f32)
LIERE_FMA_KERNEL(avx2_fp64, "avx2,fma", __m256d, _mm256_set1_pd, _mm256_fmadd_pd, _mm256_add_pd, _mm256_cvtsd_f64)
#undef LIERE_FMA_KERNEL
#undef LIERE_SET_PS512
#undef LIERE_SET_PS256

__attribute__((target("avx512f,avx512bw,avx512vl,avx512bf16"))) double avx512_bf16(double start) {
  __m512 sums[kChains];
  const __m512bh factor = _mm512_cvtne2ps_pbh(_mm512_set1_ps(static_cast<float>(start)), _mm512_set1_ps(0.5f));
#pragma GCC unroll 16
  for (int i = 0; i < kChains; ++i) sums[i] = _mm512_set1_ps(static_cast<float>(start + i));
  for (int round = 0; round < kRounds; ++round)
#pragma GCC unroll 16
    for (int i = 0; i < kChains; ++i) sums[i] = _mm512_dpbf16_ps(sums[i], factor, factor);
#pragma GCC unroll 16
  for (int i = 1; i < kChains; ++i) sums[0] = _mm512_add_ps(sums[0], sums[i]);
  return static_cast<double>(_mm512_cvtss_f32(sums[0]));
}
#endif

Kernel best_kernel(FmaKind kind) {
  constexpr double kCalls = 2.0 * kRounds * kChains;
#if defined(__x86_64__)
  if (kind == FmaKind::kBf16 && __builtin_cpu_supports("avx512bf16") && __builtin_cpu_supports("avx512vl"))
    return {avx512_bf16, 32 * kCalls, "AVX-512 bf16 dot product"};
  if (__builtin_cpu_supports("avx512f"))
    return kind == FmaKind::kFp64 ? Kernel{avx512_fp64, 8 * kCalls, "AVX-512 fp64"} : Kernel{avx512_fp32, 16 * kCalls, "AVX-512 fp32"};
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
    return kind == FmaKind::kFp64 ? Kernel{avx2_fp64, 4 * kCalls, "AVX2 fp64"} : Kernel{avx2_fp32, 8 * kCalls, "AVX2 fp32"};
#endif
  return kind == FmaKind::kFp64 ? Kernel{plain<double>, 2.0 * kRounds * 64, "compiled fp64"} : Kernel{plain<float>, 2.0 * kRounds * 64, "compiled fp32"};
}

}  // namespace

FmaPeak measure_fma_peak(int threads, FmaKind kind) {
  threads = std::max(threads, 1);
  const Kernel kernel = best_kernel(kind);
  std::vector<double> best(static_cast<size_t>(threads));
  std::atomic<int> arrived = 0;
  const auto measure = [&](int thread) {
    volatile double kept = kernel.run(1.0);  // wakes the unit
    arrived.fetch_add(1);
    while (arrived.load() < threads) std::this_thread::yield();
    const auto end = Clock::now() + kDuration;
    for (int calls = 0; Clock::now() < end;) {
      const auto start = Clock::now();
      for (int i = 0; i < kCallsPerWindow; ++i) kept = kernel.run(1.0 + 1e-3 * calls++);
      const double rate = kCallsPerWindow * kernel.flop / std::chrono::duration<double>(Clock::now() - start).count();
      best[static_cast<size_t>(thread)] = std::max(best[static_cast<size_t>(thread)], rate);
    }
    static_cast<void>(kept);
  };
  std::vector<std::thread> others;
  for (int thread = 1; thread < threads; ++thread) others.emplace_back(measure, thread);
  measure(0);
  for (auto& other : others) other.join();
  return {std::accumulate(best.begin(), best.end(), 0.0), threads, kernel.name};
}

std::optional<int64_t> peak_memory() {
  std::FILE* status = std::fopen("/proc/self/status", "re");
  if (status == nullptr) return std::nullopt;
  char line[256];
  std::optional<int64_t> bytes;
  while (std::fgets(line, sizeof line, status) != nullptr) {
    long long kib = 0;
    if (std::sscanf(line, "VmHWM: %lld kB", &kib) == 1) bytes = int64_t{kib} * 1024;
  }
  std::fclose(status);
  return bytes;
}

std::string program_digest() {
  std::ifstream file("/proc/self/exe", std::ios::binary);
  if (!file) return "";
  const std::string bytes{std::istreambuf_iterator<char>(file), {}};
  char text[17];
  std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(XXH3_64bits(bytes.data(), bytes.size())));
  return text;
}

std::string host_name() {
  char host[256] = {};
  return ::gethostname(host, sizeof host - 1) == 0 ? host : "this host";
}

}  // namespace liere
