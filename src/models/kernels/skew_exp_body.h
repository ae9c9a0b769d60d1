// The code of skew_exp.h for one instruction set: included once by each of skew_exp{,_avx2,_avx512}.cpp, which define LIERE_INSTRUCTION_SET
// (namespace) and LIERE_VECTOR_BYTES and are compiled with that set's flags.
#pragma once

#include "models/kernels/skew_exp_large.h"
#include "models/kernels/skew_exp_small.h"

namespace liere::LIERE_INSTRUCTION_SET {
namespace {

template <class T>
int64_t items(const SkewExpPlan<T>& plan) {
  return plan.layers * plan.groups;
}

template <class T>
void forward(const SkewExpPlan<T>& plan, int64_t begin, int64_t end) {
  if (begin >= end || plan.block < 1) return;
  switch ((plan.block + 1) / 2) {
    case 1:
      return forward_small<T, 2>(plan, begin, end);
    case 2:
      return forward_small<T, 4>(plan, begin, end);
    case 3:
      return forward_small<T, 6>(plan, begin, end);
    case 4:
      return forward_small<T, 8>(plan, begin, end);
    default:
      return forward_large<T>(plan, begin, end);
  }
}

template <class T>
void backward(const SkewExpPlan<T>& plan, int64_t begin, int64_t end) {
  if (begin >= end || plan.block < 1) return;
  switch ((plan.block + 1) / 2) {
    case 1:
      return backward_small<T, 2>(plan, begin, end);
    case 2:
      return backward_small<T, 4>(plan, begin, end);
    case 3:
      return backward_small<T, 6>(plan, begin, end);
    case 4:
      return backward_small<T, 8>(plan, begin, end);
    default:
      return backward_large<T>(plan, begin, end);
  }
}

}  // namespace

extern const SkewExpKernels<float> kSkewExpFloat;
extern const SkewExpKernels<double> kSkewExpDouble;
const SkewExpKernels<float> kSkewExpFloat = {items<float>, forward<float>, backward<float>};
const SkewExpKernels<double> kSkewExpDouble = {items<double>, forward<double>, backward<double>};

}  // namespace liere::LIERE_INSTRUCTION_SET
