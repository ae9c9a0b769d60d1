#include "core/rng.h"

#include <bit>
#include <cmath>
#include <limits>
#include <numeric>
#include <stdexcept>
#include <string>
#include <utility>

#include "core/philox.h"

#if defined(__FAST_MATH__)
#error "rng.cpp must not be compiled with -ffast-math: its results are part of the file format."
#endif

namespace liere {
namespace {

constexpr double kTwoPi = 6.283185307179586;  // 2 pi rounded to nearest
constexpr double kTwoToMinus32 = 0x1p-32, kTwoToMinus53 = 0x1p-53;

// The splitmix64 step (Steele, Lea, Flood, 2014): a bijection of 64 bits that spreads every bit.
uint64_t mix(uint64_t x) {
  x += 0x9E3779B97F4A7C15u;
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
  return x ^ (x >> 31);
}

// x = 2^k m with m in [sqrt(1/2), sqrt(2)); with f = m - 1 and s = f / (2 + f), log(m) = 2 atanh(s) = f - (f^2/2 - s (f^2/2 + R)),
// R = sum_{i>=1} 2 s^2i / (2i + 1). |s| < 0.1716: the term left out is below 2^-64. k log(2) is added in two parts, the larger one exact.
// x normal and positive.
double log_kernel(double x) {
  constexpr double kLog2High = 0x1.62e42fefa4p-1, kLog2Low = -0x1.8432a1b0e2634p-43;
  uint64_t bits = std::bit_cast<uint64_t>(x);
  const uint64_t to_sqrt_half = bits - 0x3FE6A09E667F3BCDu;  // exponent and mantissa relative to sqrt(1/2)
  const double k = static_cast<double>(static_cast<int64_t>(to_sqrt_half) >> 52);
  bits -= to_sqrt_half & 0xFFF0000000000000u;
  const double f = std::bit_cast<double>(bits) - 1.0;
  const double s = f / (2.0 + f), z = s * s, half_f2 = 0.5 * f * f;
  double r = 2.0 / 25;
  r = 2.0 / 23 + z * r;
  r = 2.0 / 21 + z * r;
  r = 2.0 / 19 + z * r;
  r = 2.0 / 17 + z * r;
  r = 2.0 / 15 + z * r;
  r = 2.0 / 13 + z * r;
  r = 2.0 / 11 + z * r;
  r = 2.0 / 9 + z * r;
  r = 2.0 / 7 + z * r;
  r = 2.0 / 5 + z * r;
  r = z * (2.0 / 3 + z * r);
  return k * kLog2High - ((half_f2 - (s * (half_f2 + r) + k * kLog2Low)) - f);
}

// Taylor series on [-pi/4, pi/4]; every coefficient is the reciprocal of a factorial that a double holds exactly.
double sine_kernel(double r) {
  const double z = r * r;
  double p = 1.0 / 355687428096000;
  p = -1.0 / 1307674368000 + z * p;
  p = 1.0 / 6227020800 + z * p;
  p = -1.0 / 39916800 + z * p;
  p = 1.0 / 362880 + z * p;
  p = -1.0 / 5040 + z * p;
  p = 1.0 / 120 + z * p;
  p = -1.0 / 6 + z * p;
  return r + r * z * p;
}

double cosine_kernel(double r) {
  const double z = r * r;
  double p = 1.0 / 20922789888000;
  p = -1.0 / 87178291200 + z * p;
  p = 1.0 / 479001600 + z * p;
  p = -1.0 / 3628800 + z * p;
  p = 1.0 / 40320 + z * p;
  p = -1.0 / 720 + z * p;
  p = 1.0 / 24 + z * p;
  const double half_z = 0.5 * z, w = 1.0 - half_z;
  return w + (((1.0 - w) - half_z) + z * z * p);
}

// |x| <= 2^20. pi/2 in three parts (Cody and Waite): k times the first two is exact, and the error of the second difference is carried over.
void sincos_kernel(double x, double& sine, double& cosine) {
  constexpr double kTwoOverPi = 0x1.45f306dc9c883p-1;
  constexpr double kPart1 = 0x1.921fb544p+0, kPart2 = 0x1.0b4611a6p-34, kPart3 = 0x1.3198a2e037073p-69;
  constexpr double kRound = 0x1.8p52;  // adding and subtracting it rounds to the nearest integer
  const double k = (x * kTwoOverPi + kRound) - kRound;
  const double t = x - k * kPart1, w = k * kPart2;
  const double d = t - w, b = t - d;
  const double error = (t - (d + b)) + (b - w);
  const double r = d + (error - k * kPart3);
  const double s = sine_kernel(r), c = cosine_kernel(r);
  const uint64_t quadrant = static_cast<uint64_t>(static_cast<int64_t>(k));
  const bool swapped = quadrant & 1;
  sine = std::bit_cast<double>(std::bit_cast<uint64_t>(swapped ? c : s) ^ ((quadrant & 2) << 62));
  cosine = std::bit_cast<double>(std::bit_cast<uint64_t>(swapped ? s : c) ^ (((quadrant + 1) & 2) << 62));
}

// Words -> (0, 1), symmetric about 1/2.
double centred(uint32_t word) { return (static_cast<double>(word) + 0.5) * kTwoToMinus32; }

std::array<double, 4> uniform_block(uint64_t key, uint64_t block) {
  const PhiloxBlock words = philox_block(key, static_cast<uint32_t>(block >> 32), 0, 0, static_cast<uint32_t>(block));
  return {centred(words.word[0]), centred(words.word[1]), centred(words.word[2]), centred(words.word[3])};
}

std::array<double, 4> normal_block(uint64_t key, uint64_t block) {
  const std::array<double, 4> u = uniform_block(key, block);
  std::array<double, 4> out;
  for (int pair = 0; pair < 4; pair += 2) {
    const double radius = std::sqrt(-2.0 * log_kernel(u[pair]));  // sqrt is correctly rounded on every machine (IEEE 754)
    double sine, cosine;
    sincos_kernel(kTwoPi * u[pair + 1], sine, cosine);
    out[pair] = radius * cosine;
    out[pair + 1] = radius * sine;
  }
  return out;
}

// out[i] = shift + scale * element(first + i), four elements a block.
template <typename T, typename Block>
void fill(T* out, int64_t n, int64_t first, double shift, double scale, Block block) {
  int64_t i = 0;
  while (i < n) {
    const uint64_t index = static_cast<uint64_t>(first + i);
    const std::array<double, 4> values = block(index / 4);
    int word = static_cast<int>(index % 4);
    if (word == 0 && n - i >= 4) {
      for (int j = 0; j < 4; ++j) out[i + j] = static_cast<T>(shift + scale * values[j]);
      i += 4;
    } else {
      for (; word < 4 && i < n; ++word, ++i) out[i] = static_cast<T>(shift + scale * values[word]);
    }
  }
}

template <typename T>
void fill_uniform_of(uint64_t key, T* out, int64_t n, double low, double high, int64_t first) {
  fill(out, n, first, low, high - low, [key](uint64_t block) { return uniform_block(key, block); });
}

template <typename T>
void fill_normal_of(uint64_t key, T* out, int64_t n, double mean, double std, int64_t first) {
  fill(out, n, first, mean, std, [key](uint64_t block) { return normal_block(key, block); });
}

}  // namespace

std::array<uint32_t, 4> philox4x32(std::array<uint32_t, 4> counter, std::array<uint32_t, 2> key) {
  const PhiloxBlock block = philox_block(uint64_t(key[1]) << 32 | key[0], counter[0], counter[1], counter[2], counter[3]);
  return {block.word[0], block.word[1], block.word[2], block.word[3]};
}

uint64_t stream_key(uint64_t seed, Purpose purpose) { return mix(mix(seed) ^ static_cast<uint64_t>(purpose)); }

uint64_t named_seed(uint64_t seed, std::string_view name) {
  uint64_t hash = 0xCBF29CE484222325u;  // FNV-1a, 64 bits
  for (const char c : name) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001B3u;
  return mix(mix(seed) ^ hash);
}

void fill_uniform(uint64_t key, float* out, int64_t n, double low, double high, int64_t first) { fill_uniform_of(key, out, n, low, high, first); }
void fill_uniform(uint64_t key, double* out, int64_t n, double low, double high, int64_t first) { fill_uniform_of(key, out, n, low, high, first); }
void fill_normal(uint64_t key, float* out, int64_t n, double mean, double std, int64_t first) { fill_normal_of(key, out, n, mean, std, first); }
void fill_normal(uint64_t key, double* out, int64_t n, double mean, double std, int64_t first) { fill_normal_of(key, out, n, mean, std, first); }

Rng::Rng(uint64_t seed, Purpose purpose, uint32_t a, uint32_t b, uint32_t c) : counter_{a, b, c, 0}, key_(stream_key(seed, purpose)) {}

uint32_t Rng::bits32() {
  if (next_ == 4) {
    const PhiloxBlock block = philox_block(key_, counter_[0], counter_[1], counter_[2], counter_[3]++);
    block_ = {block.word[0], block.word[1], block.word[2], block.word[3]};
    next_ = 0;
  }
  return block_[next_++];
}

uint64_t Rng::bits64() {
  const uint64_t low = bits32();
  return low | uint64_t(bits32()) << 32;
}

double Rng::uniform() { return static_cast<double>(bits64() >> 11) * kTwoToMinus53; }
double Rng::uniform(double low, double high) { return low + (high - low) * uniform(); }
bool Rng::coin(double p) { return uniform() < p; }

// Lemire, "Fast random integer generation in an interval" (2019): the high half of word * n, rejecting the 2^w mod n words too many.
int64_t Rng::integer(int64_t n) {
  if (n < 1) throw std::domain_error("Rng::integer: expected n >= 1, found " + std::to_string(n));
  if (n <= int64_t(1) << 32) {
    const uint64_t range = static_cast<uint64_t>(n), excess = (uint64_t(1) << 32) % range;
    while (true) {
      const uint64_t product = bits32() * range;
      if (static_cast<uint32_t>(product) >= excess) return static_cast<int64_t>(product >> 32);
    }
  }
  const uint64_t range = static_cast<uint64_t>(n), excess = (0 - range) % range;
  while (true) {
    const unsigned __int128 product = static_cast<unsigned __int128>(bits64()) * range;
    if (static_cast<uint64_t>(product) >= excess) return static_cast<int64_t>(product >> 64);
  }
}

double Rng::normal() {
  const double u = 1.0 - uniform(), angle = kTwoPi * uniform();
  double sine, cosine;
  sincos_kernel(angle, sine, cosine);
  return std::sqrt(-2.0 * log_kernel(u)) * cosine;
}

// Log of a Gamma(shape, 1) variate. Below shape 1: Gamma(a) = Gamma(a + 1) U^(1/a), kept in logs so that tiny shapes do not underflow.
double Rng::log_gamma_variate(double shape) {
  if (shape < 1.0) {
    const double lifted = log_gamma_variate(shape + 1.0);
    return lifted + log_kernel(1.0 - uniform()) / shape;
  }
  const double d = shape - 1.0 / 3.0, c = 1.0 / std::sqrt(9.0 * d);
  while (true) {
    const double x = normal(), t = 1.0 + c * x;
    const double u = 1.0 - uniform();
    if (t <= 0.0) continue;
    const double v = t * t * t;
    if (portable_log(u) < 0.5 * x * x + d - d * v + d * portable_log(v)) return portable_log(d) + portable_log(v);
  }
}

double Rng::beta(double a, double b) {
  if (!(a > 0.0 && b > 0.0) || std::isinf(a) || std::isinf(b)) {
    throw std::domain_error("Rng::beta: expected finite a, b > 0, found " + std::to_string(a) + " and " + std::to_string(b));
  }
  const double log_x = log_gamma_variate(a);
  const double log_y = log_gamma_variate(b);
  return 1.0 / (1.0 + portable_exp(log_y - log_x));
}

std::vector<int64_t> Rng::permutation(int64_t n) {
  std::vector<int64_t> order(static_cast<size_t>(n));
  std::iota(order.begin(), order.end(), int64_t(0));
  for (int64_t i = n - 1; i > 0; --i) std::swap(order[i], order[integer(i + 1)]);
  return order;
}

double portable_log(double x) {
  if (std::isnan(x) || x < 0.0) return std::numeric_limits<double>::quiet_NaN();
  if (x == 0.0) return -std::numeric_limits<double>::infinity();
  if (std::isinf(x)) return x;
  if (x >= std::numeric_limits<double>::min()) return log_kernel(x);
  constexpr double kLog2Times54 = 54 * 0x1.62e42fefa39efp-1;
  return log_kernel(x * 0x1p54) - kLog2Times54;  // subnormal: |log| > 708, so the second rounding is all there is to the error
}

// x = k log(2) + r, |r| <= log(2)/2; Taylor to the 14th power, then two exact scalings (the second may round into the subnormals).
double portable_exp(double x) {
  if (std::isnan(x)) return x;
  if (x > 709.782712893384) return std::numeric_limits<double>::infinity();
  if (x < -745.1332191019412) return 0.0;
  constexpr double kLog2High = 0x1.62e42fefa4p-1, kLog2Low = -0x1.8432a1b0e2634p-43, kRound = 0x1.8p52;
  const double k = (x * 0x1.71547652b82fep+0 + kRound) - kRound;
  const double high = x - k * kLog2High, low = k * kLog2Low, r = high - low;
  const double error = (high - r) - low;
  double p = 1.0 / 87178291200;
  p = 1.0 / 6227020800 + r * p;
  p = 1.0 / 479001600 + r * p;
  p = 1.0 / 39916800 + r * p;
  p = 1.0 / 3628800 + r * p;
  p = 1.0 / 362880 + r * p;
  p = 1.0 / 40320 + r * p;
  p = 1.0 / 5040 + r * p;
  p = 1.0 / 720 + r * p;
  p = 1.0 / 120 + r * p;
  p = 1.0 / 24 + r * p;
  p = 1.0 / 6 + r * p;
  p = 0.5 + r * p;
  const double y = 1.0 + (r + (r * r * p + error));
  const int64_t exponent = static_cast<int64_t>(k), half = exponent / 2;
  const auto power_of_two = [](int64_t e) { return std::bit_cast<double>(static_cast<uint64_t>(e + 1023) << 52); };
  return y * power_of_two(half) * power_of_two(exponent - half);
}

void portable_sincos(double x, double& sine, double& cosine) {
  if (!(x >= -0x1p20 && x <= 0x1p20)) throw std::domain_error("portable_sincos: expected |x| <= 2^20, found " + std::to_string(x));
  sincos_kernel(x, sine, cosine);
}

}  // namespace liere
