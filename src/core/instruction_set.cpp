#include "core/instruction_set.h"

#include <algorithm>
#include <cstdlib>
#include <string_view>

namespace liere {
namespace {

InstructionSet processor() {
#if defined(__x86_64__) && defined(__GNUC__)
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
      __builtin_cpu_supports("avx512cd"))
    return InstructionSet::kAvx512;
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2")) return InstructionSet::kAvx2;
#endif
  return InstructionSet::kBaseline;
}

InstructionSet wanted() {
  const char* const text = std::getenv("LIERE_INSTRUCTION_SET");
  const std::string_view name = text ? text : "";
  return name == "baseline" ? InstructionSet::kBaseline : name == "avx2" ? InstructionSet::kAvx2 : InstructionSet::kAvx512;
}

}  // namespace

InstructionSet instruction_set() {
  static const InstructionSet set = std::min(processor(), wanted());
  return set;
}

const char* name_of(InstructionSet set) { return set == InstructionSet::kAvx512 ? "AVX-512" : set == InstructionSet::kAvx2 ? "AVX2" : "portable"; }

}  // namespace liere
