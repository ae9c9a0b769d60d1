// Which of the compiled forms of a kernel this processor runs. Kernels are compiled once per instruction set (x.cpp plain, x_avx2.cpp, x_avx512.cpp).
#pragma once

namespace liere {

enum class InstructionSet { kBaseline, kAvx2, kAvx512 };

/// kAvx512: AVX-512 F, BW, VL, DQ and CD (x86-64-v4); kAvx2: AVX2, FMA and BMI2 (x86-64-v3); kBaseline elsewhere. LIERE_INSTRUCTION_SET = baseline, avx2
/// or avx512 in the environment lowers it, for comparisons; more than the processor has is ignored.
InstructionSet instruction_set();
const char* name_of(InstructionSet set);

}  // namespace liere
