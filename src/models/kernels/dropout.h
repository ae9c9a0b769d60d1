// Contract of the dropout kernels, free of torch: plain pointers and a parameter struct; dropout.cpp is the CPU, dropout_cuda.cu (device_kernels.h) the GPU, both the
// same bits. Element e of row i is multiplied by 1/(1-p) if word e % 4 of Philox4x32-10(counter = (step, slot_i, site, e / 4), key) >= threshold =
// ceil(p * 2^32), else by 0. A product, not a selection: a dropped NaN or infinity stays visible as NaN, as it does in torch's dropout. Words come
// straight from the block function: one block serves four neighbouring elements.
#pragma once

#include <cstdint>
#include <cstring>

#include "core/philox.h"

namespace liere {

struct DropoutParams {
  int64_t rows = 0, row_elements = 0;  // x is [rows, row_elements], contiguous
  const int64_t* slots = nullptr;      // [rows], on the device of x; null: slot_i = first_slot + i
  int64_t first_slot = 0;
  uint32_t step = 0, site = 0;  // site = layer * 8 + DropoutSite
  uint64_t key = 0;             // stream_key(seed, kDropout)
  uint32_t threshold = 0;       // kept iff word >= threshold
  double scale = 1;             // 1 / (1 - p)
  const int64_t* device_step = nullptr;  // where not null the step is read here, in the memory of x's device: recorded work (train/step_graph.h) is queued again for other steps
};

/// The plan with its step read; `Plan` is DropoutParams or MaskPlan.
template <class Plan>
LIERE_HOST_DEVICE inline Plan with_step_read(Plan plan) {
  if (plan.device_step) plan.step = static_cast<uint32_t>(*plan.device_step);
  return plan;
}

/// A bfloat16 by its bits.
struct Bfloat16Bits {
  uint16_t bits;
};

/// The unit of work that threads share out: this many neighbouring elements of one row (the last of a row may be shorter).
constexpr int64_t kDropoutSegment = 1024;
constexpr int64_t dropout_segments_per_row(const DropoutParams& p) { return (p.row_elements + kDropoutSegment - 1) / kDropoutSegment; }

/// CPU: segments [begin, end) of rows * dropout_segments_per_row. `out` may be `in`.
void dropout_cpu(const DropoutParams& params, const float* in, float* out, int64_t begin, int64_t end);
void dropout_cpu(const DropoutParams& params, const double* in, double* out, int64_t begin, int64_t end);
void dropout_cpu(const DropoutParams& params, const Bfloat16Bits* in, Bfloat16Bits* out, int64_t begin, int64_t end);

/// x * factor in the type's own arithmetic; bfloat16 through float, rounded to nearest, ties to even.
LIERE_HOST_DEVICE inline float dropout_product(float x, float factor) { return x * factor; }
LIERE_HOST_DEVICE inline double dropout_product(double x, double factor) { return x * factor; }
LIERE_HOST_DEVICE inline Bfloat16Bits dropout_product(Bfloat16Bits x, float factor) {
  uint32_t wide = uint32_t{x.bits} << 16;
  float value;
  memcpy(&value, &wide, sizeof(value));
  value *= factor;
  memcpy(&wide, &value, sizeof(wide));
  const uint32_t rounded = (wide + 0x7fffu + ((wide >> 16) & 1u)) >> 16;
  return {static_cast<uint16_t>(value == value ? rounded : 0x7fc0u)};
}

template <class T>
struct DropoutFactor {
  using Type = T;
};
template <>
struct DropoutFactor<Bfloat16Bits> {
  using Type = float;
};

}  // namespace liere
