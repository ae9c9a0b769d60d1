// Random numbers as a pure function of (seed, purpose, counter): Philox4x32-10 (Salmon et al., SC 2011).
// What a model sees, and every dropout mask, follows from these arguments alone, never from the number of ranks, threads or micro-batches.
// No std distributions and no libm: log, exp and sincos are our own, so that every machine draws the same bits. docs/numerics.md has test vectors.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace liere {

/// What a stream is for. Numbers are part of the file format: never renumbered, never reused.
enum class Purpose : uint32_t {
  kParameter = 1,     // initial value of a parameter; see named_seed
  kDropout = 2,       // (step, slot, layer * 8 + site, draw)
  kOrder = 3,         // (epoch): permutation of the training set
  kAugmentation = 4,  // (epoch, sample, view)
  kShuffle = 5,       // (sample): permutation of the patches at evaluation
  kArrows = 6,        // (split, sample): contents of a generated picture; keyed by data.seed
  kMixup = 7,         // (step)
  kHoldout = 8,       // stratified validation part of a training set
  kBootstrap = 9,     // (replicate)
};

/// One Philox4x32-10 block: four words from a 128-bit counter and a 64-bit key.
std::array<uint32_t, 4> philox4x32(std::array<uint32_t, 4> counter, std::array<uint32_t, 2> key);

/// The key of a stream: a 64-bit hash of the run's seed and the purpose.
uint64_t stream_key(uint64_t seed, Purpose purpose);

/// The seed for what is addressed by name (a parameter): a hash of seed and name.
uint64_t named_seed(uint64_t seed, std::string_view name);

/// A stream of draws. Counter = (a, b, c, draw); draws are consumed one word at a time from successive blocks.
class Rng {
 public:
  Rng(uint64_t seed, Purpose purpose, uint32_t a = 0, uint32_t b = 0, uint32_t c = 0);

  uint32_t bits32();
  uint64_t bits64();
  /// U[0, 1) with 53 bits.
  double uniform();
  double uniform(double low, double high);
  /// Uniform on {0, .., n-1} without bias (rejection); n >= 1.
  int64_t integer(int64_t n);
  /// True with probability p.
  bool coin(double p = 0.5);
  /// N(0, 1) by Box-Muller with our own log and sincos.
  double normal();
  /// Beta(a, b), a, b > 0.
  double beta(double a, double b);
  /// Fisher-Yates permutation of 0..n-1.
  std::vector<int64_t> permutation(int64_t n);

 private:
  std::array<uint32_t, 4> counter_;
  std::array<uint32_t, 2> key_;
  std::array<uint32_t, 4> block_{};
  int next_ = 4;
};

/// log, exp and sincos of finite arguments: the same bits on every machine (no fused multiply-add, no libm), within 2 ulp of exact.
double portable_log(double x);
double portable_exp(double x);
void portable_sincos(double x, double& sine, double& cosine);

}  // namespace liere
