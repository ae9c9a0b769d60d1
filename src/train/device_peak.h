// The peak of a GPU as its data sheet counts it, behind "share of the machine's peak" (core/machine.h): dense products, no sparsity.
//   FLOP/s = 2 x FMA per clock and multiprocessor x multiprocessors x clock
// bf16: tensor cores with fp32 sums; fp32: the plain units, since TF32 stays off; fp64: tensor cores where there are some for it. FMA per clock and
// multiprocessor: NVIDIA's architecture white papers (A100, GA102, AD102, H100, Blackwell). The clock is the highest the driver names, but for Hopper's
// and Blackwell's tensor cores, whose data sheets count at a lower one.
#pragma once

#include <optional>
#include <string>

#include "core/machine.h"

namespace liere {

struct GpuFigures {
  std::string name;         // as the driver says it: "NVIDIA H100 80GB HBM3"
  int major = 0, minor = 0; // compute capability
  int multiprocessors = 0;
  double clock_hz = 0;      // highest clock of the multiprocessors
};

/// nullopt for architectures whose figures are not known here, and for bf16 before compute capability 8.0. `threads` of the result: the multiprocessors.
std::optional<FmaPeak> data_sheet_peak(const GpuFigures& gpu, FmaKind kind);

}  // namespace liere
