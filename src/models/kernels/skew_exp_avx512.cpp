// The exponential for AVX-512 (compiled with -march=x86-64-v4; called only where the processor has it).
#ifdef __AVX512F__
#define LIERE_INSTRUCTION_SET avx512
#define LIERE_VECTOR_BYTES 64
#include "models/kernels/skew_exp_body.h"
#endif
