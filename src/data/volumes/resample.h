// Resampling of CT volumes: which input voxels make an output voxel. Each axis has a list of taps; docs/numerics.md states the rules.
#pragma once

#include <cstdint>
#include <vector>

#include "data/sample.h"

namespace liere {

/// Output k of an axis is the sum over i of weights[k][i] * input[first[k] + i]; weights add up to 1.
struct AxisTaps {
  struct Taps {
    int64_t first = 0;
    std::vector<float> weights;
  };
  std::vector<Taps> outputs;
  bool identity = false;
};

/// Outputs begin .. begin + outputs - 1 of an axis: k covers the input from origin + k * scale to origin + (k + 1) * scale (in input voxels; parts
/// outside are left out). scale >= 1: the mean over what is covered, voxels in part counted in part; scale < 1: linear between the two voxels whose
/// centres enclose its centre, edges continued.
AxisTaps area_taps(int64_t inputs, int64_t outputs, double scale, double origin = 0, int64_t begin = 0);
/// Linear between the two voxels whose centres enclose the centre of output k, edges continued, whatever the scale.
AxisTaps linear_taps(int64_t inputs, int64_t outputs, double scale, double origin = 0, int64_t begin = 0);

/// i16 [D, H, W, 1] -> i16: rows, then columns, then slices in float, rounded once (half to even).
Frames resample_axes(const Frames& volume, const AxisTaps& slices, const AxisTaps& rows, const AxisTaps& columns);

/// The rule for a volume whose size is not the one wanted: rows and columns by area_taps, slices by linear_taps, whole extents onto whole extents.
Frames resample_to(const Frames& volume, int64_t slices, int64_t rows, int64_t columns);

}  // namespace liere
