// The exponential for AVX2 (compiled with -march=x86-64-v3; called only where the processor has it).
#ifdef __AVX2__
#define LIERE_INSTRUCTION_SET avx2
#define LIERE_VECTOR_BYTES 32
#include "models/kernels/skew_exp_body.h"
#endif
