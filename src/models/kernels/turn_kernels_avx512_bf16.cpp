// The kernels of turn_kernels.h in bfloat16 for AVX-512 with AVX512_BF16 (compiled with -march=x86-64-v4 -mavx512bf16; called only where the
// processor has both): rounding to bfloat16 is one instruction instead of nine.
#ifdef __AVX512BF16__
#include <immintrin.h>

#define LIERE_INSTRUCTION_SET avx512_bf16
#define LIERE_LANES 16
#define LIERE_BFLOAT16_ONLY
#include "models/kernels/turn_kernels_body.h"
#endif
