// Where short attention is served, and by what.
#include "models/kernels/short_attention.h"

#include <cstdlib>

namespace liere {

namespace avx512 {
void short_attention(const ShortAttention& p, int64_t begin, int64_t end);
void short_attention_backward(const ShortAttention& p, int64_t begin, int64_t end);
}  // namespace avx512

#ifdef LIERE_SHORT_ATTENTION
bool short_attention_serves(int64_t tokens, int64_t dim) {
  __builtin_cpu_init();
  static const bool has = __builtin_cpu_supports("avx512bf16") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq");
  return has && tokens <= kShortAttentionTokens && dim % 32 == 0 && dim <= 128;
}
void short_attention(const ShortAttention& p, int64_t begin, int64_t end) { avx512::short_attention(p, begin, end); }
void short_attention_backward(const ShortAttention& p, int64_t begin, int64_t end) { avx512::short_attention_backward(p, begin, end); }
#else
bool short_attention_serves(int64_t, int64_t) { return false; }
void short_attention(const ShortAttention&, int64_t, int64_t) { std::abort(); }
void short_attention_backward(const ShortAttention&, int64_t, int64_t) { std::abort(); }
#endif

}  // namespace liere
