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
  kRandomRotation = 10,  // orthogonal blocks and angles in place of the learned rotations; see named_seed
  kSubstitute = 11,   // (epoch, sample, attempt): the training sample that takes an unreadable one's place
  kSequences = 12,    // (split, sample): contents of a generated sequence; keyed by data.seed
};

/// One Philox4x32-10 block: four words from a 128-bit counter and a 64-bit key (core/philox.h has the form for kernels).
std::array<uint32_t, 4> philox4x32(std::array<uint32_t, 4> counter, std::array<uint32_t, 2> key);

/// The key of a stream: a 64-bit hash of the run's seed and the purpose.
uint64_t stream_key(uint64_t seed, Purpose purpose);

/// The seed for what is addressed by name (a parameter): a hash of seed and name. A parameter's key is
/// stream_key(named_seed(seed, name), Purpose::kParameter).
uint64_t named_seed(uint64_t seed, std::string_view name);

/// Elements first .. first + n - 1 of the sequence that `key` defines: element i is low + (high - low) * (w_i + 1/2) / 2^32, w_i being word i % 4 of
/// the block with counter (i / 4 / 2^32, 0, 0, i / 4 mod 2^32). A pure function of (key, i): chunks may be filled in any order, by any thread.
/// Computed in fp64; the float form rounds the same value, and may therefore return `high` itself. first >= 0.
void fill_uniform(uint64_t key, float* out, int64_t n, double low, double high, int64_t first = 0);
void fill_uniform(uint64_t key, double* out, int64_t n, double low, double high, int64_t first = 0);
/// The same for N(mean, std^2): Box-Muller on w_2j (radius) and w_2j+1 (angle) gives elements 2j (cosine) and 2j + 1 (sine).
void fill_normal(uint64_t key, float* out, int64_t n, double mean, double std, int64_t first = 0);
void fill_normal(uint64_t key, double* out, int64_t n, double mean, double std, int64_t first = 0);

/// A stream of draws. Counter = (a, b, c, draw), draw being the number of the block; words are consumed one at a time from successive blocks.
/// A stream holds 2^34 words. docs/numerics.md says how many words each kind of draw takes.
class Rng {
 public:
  Rng(uint64_t seed, Purpose purpose, uint32_t a = 0, uint32_t b = 0, uint32_t c = 0);

  uint32_t bits32();
  uint64_t bits64();
  /// U[0, 1) with 53 bits (two words).
  double uniform();
  double uniform(double low, double high);
  /// Uniform on {0, .., n-1} without bias (rejection); n >= 1.
  int64_t integer(int64_t n);
  /// True with probability p.
  bool coin(double p = 0.5);
  /// N(0, 1) by Box-Muller with our own log and sincos. Always two uniforms and only the cosine, so that the n-th normal depends on n alone.
  double normal();
  /// Beta(a, b), a, b > 0, from two gamma variates (Marsaglia and Tsang, 2000).
  double beta(double a, double b);
  /// Fisher-Yates permutation of 0..n-1.
  std::vector<int64_t> permutation(int64_t n);

 private:
  double log_gamma_variate(double shape);

  std::array<uint32_t, 4> counter_;
  uint64_t key_;
  std::array<uint32_t, 4> block_{};
  int next_ = 4;
};

/// log, exp and sincos of finite arguments: the same bits on every machine (no fused multiply-add, no libm), within 2 ulp of exact.
/// log(0) = -inf and log(x < 0) = NaN; exp overflows to inf and underflows to 0. sincos needs |x| <= 2^20 and throws std::domain_error beyond.
double portable_log(double x);
double portable_exp(double x);
void portable_sincos(double x, double& sine, double& cosine);

}  // namespace liere
