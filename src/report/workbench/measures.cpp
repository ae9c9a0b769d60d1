// What is measured of generators and projections alone, and the window of offsets.
#include <algorithm>
#include <cmath>

#include "report/workbench/analysis.h"
#include "report/workbench/head_rotations.h"

namespace liere::report {

int64_t Window::count() const {
  int64_t product = 1;
  for (size_t a = 0; a < grid.size(); ++a) product *= side(a);
  return product;
}

std::vector<int64_t> Window::offset(int64_t index) const {
  std::vector<int64_t> out(grid.size());
  for (size_t a = grid.size(); a-- > 0; index /= side(a)) out[a] = index % side(a) - (grid[a] - 1);
  return out;
}

int64_t Window::index(const std::vector<int64_t>& offset) const {
  int64_t index = 0;
  for (size_t a = 0; a < grid.size(); ++a) index = index * side(a) + offset[a] + grid[a] - 1;
  return index;
}

std::vector<float> query_key_moments(const Projection& p, int64_t head, int64_t head_dim, int64_t block) {
  const auto width = static_cast<int64_t>(p.scale.size());
  const auto row = [&](int64_t of_keys, int64_t channel) { return (of_keys * width) + head * head_dim + channel; };
  std::vector<double> q_mean(static_cast<size_t>(head_dim)), k_mean(q_mean), q_ones(q_mean), k_ones(q_mean);
  std::vector<float> q(static_cast<size_t>(head_dim * width)), k(q);
  for (int64_t i = 0; i < head_dim; ++i)
    for (int64_t of_keys = 0; of_keys < 2; ++of_keys) {
      const float* const weights = &p.qk[static_cast<size_t>(row(of_keys, i) * width)];
      double mean = p.bias[static_cast<size_t>(row(of_keys, i))], ones = 0;
      float* const scaled = &(of_keys ? k : q)[static_cast<size_t>(i * width)];
      for (int64_t w = 0; w < width; ++w) {
        const auto at = static_cast<size_t>(w);
        scaled[w] = weights[w] * p.scale[at];
        ones += scaled[w];
        mean += static_cast<double>(weights[w]) * p.shift[at];
      }
      (of_keys ? k_mean : q_mean)[static_cast<size_t>(i)] = mean;
      (of_keys ? k_ones : q_ones)[static_cast<size_t>(i)] = ones;
    }
  const double n = static_cast<double>(width), spread = width > 1 ? n / (n - 1) : 0;
  std::vector<float> out;
  for (int64_t first = 0; first < head_dim; first += block)
    for (int64_t i = first; i < first + block; ++i)
      for (int64_t j = first; j < first + block; ++j) {
        const double both = inner_product(&q[static_cast<size_t>(i * width)], &k[static_cast<size_t>(j * width)], width);
        const auto a = static_cast<size_t>(i), c = static_cast<size_t>(j);
        out.push_back(static_cast<float>(spread * (both - q_ones[a] * k_ones[c] / n) + q_mean[a] * k_mean[c]));
      }
  return out;
}

double commutator_norm(const std::vector<double>& generators, int64_t axes, int64_t blocks, int64_t b) {
  if (axes < 2) return std::numeric_limits<double>::quiet_NaN();
  const int64_t entries = b * (b - 1) / 2;
  const auto whole = [&](int64_t axis, int64_t k) {
    std::vector<double> m(static_cast<size_t>(b * b));
    const double* from = &generators[static_cast<size_t>((axis * blocks + k) * entries)];
    for (int64_t i = 0; i < b; ++i)
      for (int64_t j = i + 1; j < b; ++j) m[static_cast<size_t>(j * b + i)] = -(m[static_cast<size_t>(i * b + j)] = *from++);
    return m;
  };
  std::vector<double> squares(static_cast<size_t>(axes));
  for (int64_t a = 0; a < axes; ++a)
    for (int64_t e = 0; e < blocks * entries; ++e)
      squares[static_cast<size_t>(a)] +=
          2 * generators[static_cast<size_t>(a * blocks * entries + e)] * generators[static_cast<size_t>(a * blocks * entries + e)];
  double sum = 0;
  for (int64_t x = 0; x < axes; ++x)
    for (int64_t y = x + 1; y < axes; ++y) {
      double square = 0;
      for (int64_t k = 0; k < blocks; ++k) {
        const auto p = whole(x, k), q = whole(y, k);
        std::vector<double> xy(static_cast<size_t>(b * b));
        for (int64_t i = 0; i < b; ++i)
          for (int64_t m = 0; m < b; ++m)
            for (int64_t j = 0; j < b; ++j)
              xy[static_cast<size_t>(i * b + j)] += p[static_cast<size_t>(i * b + m)] * q[static_cast<size_t>(m * b + j)];
        // Of skew matrices Y X = (X Y)^T.
        for (int64_t i = 0; i < b; ++i)
          for (int64_t j = 0; j < b; ++j) square += std::pow(xy[static_cast<size_t>(i * b + j)] - xy[static_cast<size_t>(j * b + i)], 2);
      }
      const double norms = squares[static_cast<size_t>(x)] * squares[static_cast<size_t>(y)];
      sum += norms > 0 ? square / norms : 0;
    }
  return std::sqrt(sum / (static_cast<double>(axes * (axes - 1)) / 2));
}

double steps_to_half(const std::vector<double>& frequencies, int64_t head_dim, double step, double reach) {
  const double fixed = static_cast<double>(head_dim) - 2 * static_cast<double>(frequencies.size());
  const auto score = [&](double t) {
    double sum = fixed;
    for (const double theta : frequencies) sum += 2 * std::cos(theta * t);
    return sum / static_cast<double>(head_dim);
  };
  const double largest = frequencies.empty() ? 0 : frequencies.front();
  if (largest * step * reach < 1) return std::numeric_limits<double>::infinity();  // cos > 1/2 all the way
  const double pace = std::min(step / 20, 0.1 / largest);
  double before = 0;
  for (double t = pace; t <= reach * step; before = t, t += pace) {
    if (score(t) >= 0.5) continue;
    double low = before, high = t;
    for (int i = 0; i < 40; ++i) (score((low + high) / 2) >= 0.5 ? low : high) = (low + high) / 2;
    return high / step;
  }
  return std::numeric_limits<double>::infinity();
}

}  // namespace liere::report
