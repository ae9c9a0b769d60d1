// The kernels of turn_kernels.h for AVX-512 (compiled with -march=x86-64-v4; called only where the processor has it).
#ifdef __AVX512F__
#define LIERE_INSTRUCTION_SET avx512
#define LIERE_LANES 16
#include "models/kernels/turn_kernels_body.h"
#endif
