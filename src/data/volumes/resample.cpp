#include "data/volumes/resample.h"

#include <algorithm>
#include <cmath>

#include "core/check.h"
#include "data/volumes/volume_cache.h"

namespace liere {
namespace {

constexpr int16_t kAir = -1024;  // HU outside of what was scanned

double scale_of(int64_t inputs, int64_t outputs) { return static_cast<double>(inputs) / static_cast<double>(outputs); }

AxisTaps::Taps linear_at(double position, int64_t inputs) {
  position = std::clamp(position, 0.0, static_cast<double>(inputs - 1));
  const auto first = std::min(static_cast<int64_t>(position), std::max<int64_t>(inputs - 2, 0));
  const auto part = static_cast<float>(position - static_cast<double>(first));
  if (inputs == 1 || part == 0) return {first, {1}};
  return {first, {1 - part, part}};
}

AxisTaps::Taps mean_over(double begin, double end, int64_t inputs) {
  begin = std::clamp(begin, 0.0, static_cast<double>(inputs));
  end = std::clamp(end, 0.0, static_cast<double>(inputs));
  // A sliver that rounding leaves is not a voxel.
  constexpr double kSliver = 1e-9;
  auto first = static_cast<int64_t>(std::floor(begin)), last = static_cast<int64_t>(std::ceil(end)) - 1;
  if (static_cast<double>(first + 1) - begin < kSliver && first < last) ++first;
  if (end - static_cast<double>(last) < kSliver && last > first) --last;
  AxisTaps::Taps taps{std::clamp<int64_t>(first, 0, inputs - 1), {}};
  double sum = 0;
  std::vector<double> weights;
  for (int64_t i = first; i <= last; ++i) {
    weights.push_back(std::min(end, static_cast<double>(i + 1)) - std::max(begin, static_cast<double>(i)));
    sum += weights.back();
  }
  for (const double weight : weights) taps.weights.push_back(static_cast<float>(weight / sum));
  return taps;
}

AxisTaps finished(AxisTaps axis, int64_t inputs) {
  axis.identity = static_cast<int64_t>(axis.outputs.size()) == inputs;
  for (int64_t k = 0; axis.identity && k < inputs; ++k) {
    const auto& taps = axis.outputs[static_cast<size_t>(k)];
    axis.identity = taps.first == k && taps.weights.size() == 1;
  }
  return axis;
}

/// out[x] = sum over taps of w * (row tap)[x], rows `stride` apart.
template <class T>
void blend(const T* in, int64_t stride, const AxisTaps::Taps& taps, float* out, int64_t n) {
  const T* row = in + taps.first * stride;
  const float first = taps.weights[0];
  for (int64_t x = 0; x < n; ++x) out[x] = first * static_cast<float>(row[x]);
  for (size_t i = 1; i < taps.weights.size(); ++i) {
    row += stride;
    const float weight = taps.weights[i];
    for (int64_t x = 0; x < n; ++x) out[x] += weight * static_cast<float>(row[x]);
  }
}

void blend_columns(const float* in, const AxisTaps& columns, float* out) {
  for (const auto& taps : columns.outputs) {
    const float* at = in + taps.first;
    float sum = taps.weights[0] * at[0];
    for (size_t i = 1; i < taps.weights.size(); ++i) sum += taps.weights[i] * at[i];
    *out++ = sum;
  }
}

/// One slice i16 [rows, columns] -> float.
void resample_slice(const int16_t* in, int64_t width, const AxisTaps& rows, const AxisTaps& columns, std::vector<float>& line, float* out) {
  const auto outputs = static_cast<int64_t>(columns.outputs.size());
  line.resize(static_cast<size_t>(width));
  for (const auto& taps : rows.outputs) {
    blend(in, width, taps, columns.identity ? out : line.data(), width);
    if (!columns.identity) blend_columns(line.data(), columns, out);
    out += outputs;
  }
}

/// In the middle of `shape`, which is nowhere smaller, with air around; of an odd rest the smaller half comes first.
Frames padded(const Frames& volume, const FrameShape& shape) {
  const auto& from = volume.shape();
  if (from == shape) return volume;
  Frames out(PixelType::kI16, shape);
  std::fill_n(out.i16(), shape.elements(), kAir);
  const int64_t dz = (shape.frames - from.frames) / 2, dy = (shape.height - from.height) / 2, dx = (shape.width - from.width) / 2;
  for (int64_t z = 0; z < from.frames; ++z)
    for (int64_t y = 0; y < from.height; ++y)
      std::copy_n(volume.i16() + (z * from.height + y) * from.width, from.width, out.i16() + ((z + dz) * shape.height + y + dy) * shape.width + dx);
  return out;
}

/// The axis in voxels of `millimetres`, of which the `wanted` central ones are made. The others never are: a spacing of metres, as damaged files have
/// it, would fill the memory.
AxisTaps iso_taps(int64_t inputs, double spacing, double millimetres, int64_t wanted, bool area) {
  const double extent = static_cast<double>(inputs) * spacing, scale = millimetres / spacing;
  if (!(spacing > 0) || !std::isfinite(extent) || !std::isfinite(scale))
    throw DataError("a volume without a spacing cannot be resampled to millimetres. Use --spacing grid.");
  constexpr double kMost = int64_t(1) << 52;  // exact in double
  const double all = std::clamp(std::round(extent / millimetres), 1.0, kMost);
  const double origin = (extent - all * millimetres) / 2 / spacing;
  const auto outputs = std::min(static_cast<int64_t>(all), wanted), begin = (static_cast<int64_t>(all) - outputs + 1) / 2;
  return area ? area_taps(inputs, outputs, scale, origin, begin) : linear_taps(inputs, outputs, scale, origin, begin);
}

}  // namespace

AxisTaps area_taps(int64_t inputs, int64_t outputs, double scale, double origin, int64_t begin) {
  if (scale < 1) return linear_taps(inputs, outputs, scale, origin, begin);
  AxisTaps axis;
  for (int64_t k = begin; k < begin + outputs; ++k)
    axis.outputs.push_back(mean_over(origin + static_cast<double>(k) * scale, origin + static_cast<double>(k + 1) * scale, inputs));
  return finished(std::move(axis), inputs);
}

AxisTaps linear_taps(int64_t inputs, int64_t outputs, double scale, double origin, int64_t begin) {
  AxisTaps axis;
  for (int64_t k = begin; k < begin + outputs; ++k) axis.outputs.push_back(linear_at(origin + (static_cast<double>(k) + 0.5) * scale - 0.5, inputs));
  return finished(std::move(axis), inputs);
}

Frames resample_axes(const Frames& volume, const AxisTaps& slices, const AxisTaps& rows, const AxisTaps& columns) {
  const auto& in = volume.shape();
  if (slices.identity && rows.identity && columns.identity) return volume;
  const FrameShape shape{static_cast<int64_t>(slices.outputs.size()), static_cast<int64_t>(rows.outputs.size()),
                         static_cast<int64_t>(columns.outputs.size()), 1};
  const int64_t plane = shape.height * shape.width;
  std::vector<float> planes(static_cast<size_t>(in.frames * plane)), line, sum(static_cast<size_t>(plane));
  for (int64_t z = 0; z < in.frames; ++z)
    resample_slice(volume.i16() + z * in.height * in.width, in.width, rows, columns, line, planes.data() + z * plane);
  Frames out(PixelType::kI16, shape);
  for (int64_t k = 0; k < shape.frames; ++k) {
    blend(planes.data(), plane, slices.outputs[static_cast<size_t>(k)], sum.data(), plane);
    int16_t* const to = out.i16() + k * plane;
    for (int64_t i = 0; i < plane; ++i) to[i] = static_cast<int16_t>(std::lrint(sum[static_cast<size_t>(i)]));
  }
  return out;
}

Frames resample_to(const Frames& volume, int64_t slices, int64_t rows, int64_t columns) {
  const auto& in = volume.shape();
  return resample_axes(volume, linear_taps(in.frames, slices, scale_of(in.frames, slices)), area_taps(in.height, rows, scale_of(in.height, rows)),
                       area_taps(in.width, columns, scale_of(in.width, columns)));
}

Frames resample_volume(const CtVolume& volume, const VolumeCacheSettings& settings, std::array<double, 3>& spacing_mm) {
  const auto& in = volume.hu.shape();
  const std::array<int64_t, 3> inputs = {in.frames, in.height, in.width}, wanted = {settings.slices, settings.rows, settings.columns};
  if (volume.hu.type() != PixelType::kI16 || in.elements() == 0 || in.channels != 1)
    throw DataError("a volume to be resampled must be int16 [slices, rows, columns, 1] and not empty: this is a defect, please report it.");
  if (!settings.iso) {
    for (size_t axis = 0; axis < 3; ++axis) spacing_mm[axis] = volume.spacing_mm[axis] * scale_of(inputs[axis], wanted[axis]);
    return resample_to(volume.hu, wanted[0], wanted[1], wanted[2]);
  }
  std::array<AxisTaps, 3> taps;
  for (size_t axis = 0; axis < 3; ++axis) {
    taps[axis] = iso_taps(inputs[axis], volume.spacing_mm[axis], settings.millimetres, wanted[axis], axis > 0);
    spacing_mm[axis] = settings.millimetres;
  }
  return padded(resample_axes(volume.hu, taps[0], taps[1], taps[2]), {wanted[0], wanted[1], wanted[2], 1});
}

}  // namespace liere
