// What the machine can do and what the process took of it: the measured FMA peak behind "share of the machine's peak", and the peak memory.
//   MFU = 6 x multiply-adds of a forward pass per sample x samples per second / peak FLOP per second
// (a training step is three forward passes' worth of multiply-adds, each two FLOP; Chowdhery et al., PaLM, 2022, appendix B).
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace liere {

enum class FmaKind { kFp64, kFp32, kBf16 };

struct FmaPeak {
  double flop_per_second = 0;  // of all threads together; a fused multiply-add is two FLOP
  int threads = 1;
  std::string instruction;     // "AVX-512 fp32", "AVX-512 bf16 dot product", ...
};

/// Runs fused multiply-adds in registers on `threads` threads at once for 40 ms; the sum of each thread's best 0.2 ms, so that other programs disturb it
/// little.
/// kBf16 measures the bf16 dot product (avx512_bf16) where the processor has it, else fp32, and `instruction` says which; matrix units (AMX) are
/// not measured.
FmaPeak measure_fma_peak(int threads, FmaKind kind);

/// Share of `peak` that a training rate uses, 0..1; `multiply_adds` of one sample's forward pass.
inline double model_flop_share(double multiply_adds, double samples_per_second, const FmaPeak& peak) {
  return 6 * multiply_adds * samples_per_second / peak.flop_per_second;
}

/// The most memory the process has held so far (VmHWM), in bytes; nullopt where /proc does not tell.
std::optional<int64_t> peak_memory();

/// XXH3 of this program's own file, 16 hexadecimal digits; empty where it cannot be read.
std::string program_digest();

/// The machine's own name; "this host" where it does not tell.
std::string host_name();

}  // namespace liere
