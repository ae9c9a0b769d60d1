#include "models/kernels/rays.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numeric>

namespace liere {
namespace {

using Key = std::array<int64_t, 3>;

template <class T>
T size_of(const T* p, int64_t axes) {
  T largest = 0;
  for (int64_t a = 0; a < axes; ++a) largest = std::isnan(p[a]) ? p[a] : std::max(largest, std::abs(p[a]));
  return largest;
}

/// Rounded direction: equal for points of a ray (but for rare neighbours of a rounding boundary, which only share less).
template <class T>
Key direction(const T* p, int64_t axes) {
  int64_t main = 0;
  for (int64_t a = 1; a < axes; ++a)
    if (std::abs(p[a]) > std::abs(p[main])) main = a;
  Key key{};
  // The offset keeps simple fractions away from the boundary.
  for (int64_t a = 0; a < axes; ++a) key[a] = std::llround(double(p[a]) / double(p[main]) * 65536 + 0.123);
  return key;
}

template <class T>
bool on_ray(const T* p, const T* base, int64_t axes, T& ratio) {
  double product = 0, square = 0;
  for (int64_t a = 0; a < axes; ++a) {
    product += double(p[a]) * base[a];
    square += double(base[a]) * base[a];
  }
  const double exact = product / square, allowed = 4 * std::numeric_limits<T>::epsilon() * double(size_of(p, axes));
  ratio = static_cast<T>(exact);
  for (int64_t a = 0; a < axes; ++a)
    if (!(std::abs(exact * double(base[a]) - double(p[a])) <= allowed)) return false;
  return std::isfinite(exact);
}

template <class T>
void open_ray(Rays<T>& rays, const T* p, int64_t axes) {
  rays.first.push_back(static_cast<int64_t>(rays.points.size()));
  rays.bases.insert(rays.bases.end(), p, p + axes);
}

}  // namespace

template <class T>
Rays<T> find_rays(const T* positions, int64_t tokens, int64_t axes, bool shared) {
  Rays<T> rays;
  std::vector<int64_t> order;
  for (int64_t t = 0; t < tokens; ++t) {
    const T size = size_of(positions + t * axes, axes);
    if (size == 0)
      rays.origin.push_back(t);
    else if (shared && std::isfinite(size))
      order.push_back(t);
    else {
      open_ray(rays, positions + t * axes, axes);
      rays.points.push_back({t, 1});
    }
  }
  std::vector<Key> keys(order.empty() ? 0 : tokens);
  for (const int64_t t : order) keys[t] = direction(positions + t * axes, axes);
  std::sort(order.begin(), order.end(), [&](int64_t i, int64_t j) {
    if (keys[i] != keys[j]) return keys[i] < keys[j];
    const T a = size_of(positions + i * axes, axes), b = size_of(positions + j * axes, axes);
    return a != b ? a > b : i < j;
  });
  const T* base = nullptr;
  for (size_t i = 0; i < order.size(); ++i) {
    const T* const p = positions + order[i] * axes;
    T ratio = 1;
    if (i == 0 || keys[order[i]] != keys[order[i - 1]] || !on_ray(p, base, axes, ratio)) {
      open_ray(rays, p, axes);
      base = p;
      ratio = 1;
    }
    rays.points.push_back({order[i], ratio});
  }
  rays.first.push_back(static_cast<int64_t>(rays.points.size()));
  return rays;
}

namespace {

/// Points of a ray by their distance, if they are 1, 2, .., K times the nearest; else empty.
std::vector<int32_t> multiples(const Rays<float>::Point* points, int64_t count) {
  std::vector<int32_t> tokens(static_cast<size_t>(count), -1);
  float nearest = 2;
  for (int64_t i = 0; i < count; ++i) nearest = std::min(nearest, points[i].ratio);
  if (!(nearest > 0)) return {};
  for (int64_t i = 0; i < count; ++i) {
    const double times = double(points[i].ratio) / double(nearest), whole = std::round(times);
    if (whole > double(count) || std::abs(times - whole) > 1e-6 * whole) return {};
    auto& place = tokens[static_cast<size_t>(whole) - 1];
    if (place >= 0) return {};
    place = static_cast<int32_t>(points[i].token);
  }
  return tokens;
}

}  // namespace

RayTable ray_table(const float* positions, int64_t tokens, int64_t axes) {
  const auto rays = find_rays(positions, tokens, axes, /*shared=*/true);
  std::vector<std::vector<int32_t>> rows;
  for (const int64_t token : rays.origin) rows.push_back({static_cast<int32_t>(token)});
  for (int64_t ray = 0; ray < rays.count(); ++ray) {
    const auto* const points = rays.points.data() + rays.first[ray];
    const int64_t count = rays.first[ray + 1] - rays.first[ray];
    if (auto row = multiples(points, count); !row.empty()) {
      rows.push_back(std::move(row));
    } else {
      for (int64_t i = 0; i < count; ++i) rows.push_back({static_cast<int32_t>(points[i].token)});
    }
  }
  const auto reach = [&](const std::vector<int32_t>& row) { return size_of(positions + row[0] * axes, axes); };
  std::stable_sort(rows.begin(), rows.end(), [&](const auto& a, const auto& b) { return a.size() != b.size() ? a.size() > b.size() : reach(a) > reach(b); });
  RayTable table{{0}, {}};
  for (const auto& row : rows) {
    table.tokens.insert(table.tokens.end(), row.begin(), row.end());
    table.first.push_back(static_cast<int32_t>(table.tokens.size()));
  }
  return table;
}

template Rays<float> find_rays(const float*, int64_t, int64_t, bool);
template Rays<double> find_rays(const double*, int64_t, int64_t, bool);

}  // namespace liere
