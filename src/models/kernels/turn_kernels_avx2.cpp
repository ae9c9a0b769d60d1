// The kernels of turn_kernels.h for AVX2 (compiled with -march=x86-64-v3; called only where the processor has it).
#ifdef __AVX2__
#define LIERE_INSTRUCTION_SET avx2
#define LIERE_LANES 8
#include "models/kernels/turn_kernels_body.h"
#endif
