#include "workbench/head_rotations.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <exception>
#include <mutex>
#include <thread>

#include "core/control_group.h"
#include "models/kernels/skew_exp.h"

namespace liere::report {
namespace {

constexpr int64_t kPieceFloats = int64_t(1) << 22;  // 16 MiB

/// y += a x, in a form that the compiler makes vectors of.
void add_scaled(float* y, float a, const float* x, int64_t n) {
  for (int64_t i = 0; i < n; ++i) y[i] += a * x[i];
}

}  // namespace

HeadRotations::HeadRotations(const LearnedEncoding& encoding, int64_t layer, int64_t head)
    : axes_(encoding.axes()), block_(encoding.block), blocks_(encoding.blocks()) {
  const auto generators = generators_of(encoding, encoding.generators, layer, head);
  generators_.assign(generators.begin(), generators.end());
}

std::vector<float> HeadRotations::at(const double* positions, int64_t count) const {
  const std::vector<float> rounded(positions, positions + count * axes_);
  std::vector<float> out(static_cast<size_t>(count * size()));
  const SkewExpPlan<float> plan{.axes = axes_,
                                .layers = 1,
                                .groups = blocks_,
                                .tokens = count,
                                .block = block_,
                                .generators = generators_.data(),
                                .positions = rounded.data(),
                                .rotations = out.data()};
  const auto& kernels = skew_exp_kernels<float>();
  kernels.forward(plan, 0, kernels.items(plan));
  return out;
}

std::vector<float> HeadRotations::at(const std::vector<double>& positions) const {
  return at(positions.data(), static_cast<int64_t>(positions.size()) / axes_);
}

void HeadRotations::for_each(const std::vector<double>& positions, const std::function<void(int64_t, int64_t, const float*)>& use) const {
  const int64_t total = static_cast<int64_t>(positions.size()) / axes_, piece = std::max<int64_t>(1, kPieceFloats / size());
  for (int64_t first = 0; first < total; first += piece) {
    const int64_t count = std::min(piece, total - first);
    const auto rotations = at(positions.data() + first * axes_, count);
    use(first, count, rotations.data());
  }
}

double inner_product(const float* x, const float* y, int64_t count) {
  constexpr int64_t kLanes = 16;
  float lanes[kLanes] = {};
  int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes)
    for (int64_t k = 0; k < kLanes; ++k) lanes[k] += x[i + k] * y[i + k];
  double sum = 0;
  for (; i < count; ++i) sum += static_cast<double>(x[i]) * y[i];
  for (const float lane : lanes) sum += lane;
  return sum;
}

void block_product(const float* x, const float* y, int64_t blocks, int64_t b, float* out) {
  std::fill_n(out, blocks * b * b, 0.0f);
  for (int64_t k = 0; k < blocks; ++k, x += b * b, y += b * b, out += b * b)
    for (int64_t i = 0; i < b; ++i)
      for (int64_t j = 0; j < b; ++j) add_scaled(out + i * b, x[i * b + j], y + j * b, b);
}

double orthogonality_error(const float* r, int64_t blocks, int64_t b) {
  std::vector<float> gram(static_cast<size_t>(b * b));
  float largest = 0;
  for (int64_t k = 0; k < blocks; ++k, r += b * b) {
    std::fill(gram.begin(), gram.end(), 0.0f);
    // Upper triangle of R^T R, a row of R at a time.
    for (int64_t m = 0; m < b; ++m)
      for (int64_t i = 0; i < b; ++i) add_scaled(&gram[static_cast<size_t>(i * b + i)], r[m * b + i], r + m * b + i, b - i);
    for (int64_t i = 0; i < b; ++i)
      for (int64_t j = i; j < b; ++j) {
        const float error = std::abs(gram[static_cast<size_t>(i * b + j)] - static_cast<float>(i == j));
        largest = std::isnan(error) ? error : std::max(largest, error);
      }
  }
  return largest;
}

bool preserves_orientation(const float* r, int64_t blocks, int64_t b) {
  std::vector<float> a;
  for (int64_t k = 0; k < blocks; ++k, r += b * b) {
    a.assign(r, r + b * b);
    bool positive = true;
    for (int64_t c = 0; c < b; ++c) {
      int64_t pivot = c;
      for (int64_t i = c + 1; i < b; ++i)
        if (std::abs(a[static_cast<size_t>(i * b + c)]) > std::abs(a[static_cast<size_t>(pivot * b + c)])) pivot = i;
      if (pivot != c) {
        std::swap_ranges(a.begin() + pivot * b + c, a.begin() + pivot * b + b, a.begin() + c * b + c);
        positive = !positive;
      }
      const float diagonal = a[static_cast<size_t>(c * b + c)];
      if (!(std::abs(diagonal) > 0)) return false;
      if (diagonal < 0) positive = !positive;
      for (int64_t i = c + 1; i < b; ++i)
        add_scaled(&a[static_cast<size_t>(i * b + c)], -a[static_cast<size_t>(i * b + c)] / diagonal, &a[static_cast<size_t>(c * b + c)], b - c);
    }
    if (!positive) return false;
  }
  return true;
}

void share_out(int64_t count, const std::function<void(int64_t)>& work) {
  std::atomic<int64_t> next = 0;
  std::exception_ptr problem;
  std::mutex mutex;
  const auto run = [&] {
    try {
      for (int64_t i; (i = next++) < count;) work(i);
    } catch (...) {
      const std::lock_guard lock(mutex);
      if (!problem) problem = std::current_exception();
      next = count;
    }
  };
  const int64_t threads = std::clamp<int64_t>(usable_processors(), 1, std::max<int64_t>(1, count));
  {
    std::vector<std::jthread> others;
    for (int64_t i = 1; i < threads; ++i) others.emplace_back(run);
    run();
  }
  if (problem) std::rethrow_exception(problem);
}

}  // namespace liere::report
