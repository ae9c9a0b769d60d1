// In plain C++ for any machine: a model has some hundred blocks, and this is done once.
#define LIERE_INSTRUCTION_SET baseline
#define LIERE_VECTOR_BYTES 16
#include "models/kernels/skew_frequencies.h"

#include <algorithm>
#include <cmath>
#include <functional>

#include "models/kernels/skew_exp_lanes.h"

namespace liere {

std::vector<double> skew_frequencies(const double* blocks, int64_t count, int64_t block) {
  using namespace baseline;
  const int64_t planes = block / 2;
  std::vector<double> out(static_cast<size_t>(count * planes));
  if (planes == 0) return out;
  const Sides<double> sides(block);
  Scratch scratch(sides.spectral_bytes());
  const Spectral<double> s = take_spectral(scratch, sides);
  const SkewExpPlan<double> plan{.axes = 1, .layers = 1, .groups = count, .tokens = 0, .block = block, .generators = blocks, .positions = nullptr};
  const double unit = 1;
  std::vector<double> angles(static_cast<size_t>(sides.h));
  for (int64_t item = 0; item < count; ++item) {
    const Generator<double> g = generator_of(plan, item);
    Points<double> points{};
    points.lanes = 1;
    points.set(0, &unit, 1, g);
    decompose_points<double, 0>(s, plan, points, g);
    for (int64_t k = 0; k < sides.h; ++k) angles[static_cast<size_t>(k)] = std::isnan(g.poison) ? NAN : std::abs(s.theta[k][0]);
    if (!std::isnan(g.poison)) std::sort(angles.begin(), angles.end(), std::greater<>());
    std::copy_n(angles.begin(), planes, out.begin() + item * planes);
  }
  return out;
}

}  // namespace liere
