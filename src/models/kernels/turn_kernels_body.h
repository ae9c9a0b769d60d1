// The code of turn_kernels.h for one instruction set: included once by each of turn_kernels{,_avx2,_avx512,_avx512_bf16}.cpp, which define
// LIERE_INSTRUCTION_SET (namespace) and LIERE_LANES (floats in a vector: 16, 8 or 4) and are compiled with that set's flags. Everything has internal
// linkage, so that no code of one set can stand in for another's.
#include <cstdlib>
#include <cstring>
#include <initializer_list>
#include <type_traits>
#include <utility>

#include "models/kernels/turn_kernels.h"

namespace liere::LIERE_INSTRUCTION_SET {
namespace {
#include "models/kernels/turn_vectors.h"
//
#include "models/kernels/turn_large_blocks.h"
#include "models/kernels/turn_small_blocks.h"

constexpr int64_t kBytesOfItem = 3072;  // of one sample's queries: short runs cost the memory its pace
constexpr int64_t kLeastItems = 32;

/// Neighbouring tokens of an item.
template <class T>
int64_t tokens_of_item(const TurnPlan<T>& p) {
  const int64_t wanted = kBytesOfItem / (p.heads * p.dim * static_cast<int64_t>(sizeof(T))), most = (p.tokens - 1) / kLeastItems;
  const int64_t least = wanted < most ? wanted : most;
  return least > 1 ? least : 1;
}

template <class T>
int64_t items(const TurnPlan<T>& p) {
  const int64_t of_item = tokens_of_item(p), count = (p.tokens - 1 + of_item - 1) / of_item;
  return count > 1 ? count : 1;  // CLS alone is an item, too
}

template <class T>
void copy_cls(const TurnPlan<T>& p) {
  const T* const in[2] = {p.in.q, p.in.k};
  T* const out[2] = {p.out.q, p.out.k};
  for (int part = 0; part < 2; ++part) {
    if (in[part] == out[part]) continue;
    for (int64_t sample = 0; sample < p.samples; ++sample)
      for (int64_t head = 0; head < p.heads; ++head)
        memcpy(out[part] + sample * p.out.strides.samples + head * p.out.strides.heads,
               in[part] + sample * p.in.strides.samples + head * p.in.strides.heads, static_cast<size_t>(p.dim) * sizeof(T));
  }
}

/// A token, a head and a run of samples.
struct Unit {
  int64_t token, head, sample, samples;  // token: a patch, from 0
};

/// The units of an item, in the order in which they are computed: by token, head and samples where a head's rotations fill the cache, else by
/// samples, token and head, as the rows lie in memory.
struct Order {
  int64_t first_token, tokens, heads, samples, run;
  bool by_head;
  int64_t runs() const { return (samples + run - 1) / run; }
  int64_t count() const { return runs() * tokens * heads; }
  Unit operator[](int64_t number) const {
    const int64_t row = by_head ? number / runs() : number % (tokens * heads), sample = (by_head ? number % runs() : number / (tokens * heads)) * run;
    return {first_token + row / heads, row % heads, sample, samples - sample < run ? samples - sample : run};
  }
};

inline int64_t offset(const HeadStrides& s, const Unit& u) { return u.sample * s.samples + u.head * s.heads + (u.token + 1) * s.tokens; }

template <class T, bool kGradient>
Rows<T> rows_of(const TurnPlan<T>& p, const Unit& u, const Unit& next) {
  const int64_t in = offset(p.in.strides, u), out = offset(p.out.strides, u), next_in = offset(p.in.strides, next);
  Rows<T> r = {{p.in.q + in, p.in.k + in},
               {},
               {p.out.q + out, p.out.k + out},
               p.in.strides.samples,
               p.turned.strides.samples,
               p.out.strides.samples,
               u.samples,
               {p.in.q + next_in, p.in.k + next_in},
               {}};
  if constexpr (kGradient) {
    const int64_t turned = offset(p.turned.strides, u), next_turned = offset(p.turned.strides, next);
    for (int part = 0; part < 2; ++part) {
      const T* const base = part == 0 ? p.turned.q : p.turned.k;
      r.turned[part] = base + turned;
      r.next_turned[part] = base + next_turned;
    }
  }
  return r;
}

/// Sizes of a plan's rotations and their gradient for one token and head.
template <class T>
struct Sizes {
  int64_t rotation, gradient;
  explicit Sizes(const TurnPlan<T>& p) : rotation(p.block == 0 ? p.dim : p.dim * p.block), gradient(p.block == 0 ? p.dim / 2 : p.dim * p.block) {}
};

template <class T, int B, bool kPairs, bool kGradient>
void turn_small(const TurnPlan<T>& p, bool backward, int64_t begin, int64_t end) {
  using Form = SmallBlocks<T, B, kPairs, kGradient>;
  using Scalar = typename RotationScalar<T>::Type;
  const Sizes<T> sizes(p);
  const int64_t of_item = tokens_of_item(p), slot = Form::slot_size(p.dim), slots = of_item * p.own_heads;
  const Scratch<Scalar> packed(slot * slots), sums(kGradient ? slot * slots : 0);
  for (int64_t item = begin; item < end; ++item) {
    const int64_t first = item * of_item, last = first + of_item < p.tokens - 1 ? first + of_item : p.tokens - 1;
    if (item == 0) copy_cls(p);
    const int64_t first_own = first * p.own_heads, used = (last - first) * p.own_heads;
    for (int64_t own = 0; own < used; ++own) Form::pack(p.rotations + (first_own + own) * sizes.rotation, p.dim, backward, packed.get() + own * slot);
    if constexpr (kGradient) memset(sums.get(), 0, static_cast<size_t>(used * slot) * sizeof(Scalar));
    const Order order{first, last - first, p.heads, p.samples, Form::kSamples, false};
    for (int64_t number = 0; number < order.count(); ++number) {
      const Unit unit = order[number], next = order[number + 1 < order.count() ? number + 1 : number];
      const int64_t own = (unit.token - first) * p.own_heads + (p.own_heads == 1 ? 0 : unit.head);
      Form::turn(rows_of<T, kGradient>(p, unit, next), p.dim, packed.get() + own * slot, kGradient ? sums.get() + own * slot : nullptr);
    }
    if constexpr (kGradient)
      for (int64_t own = 0; own < used; ++own) Form::add(sums.get() + own * slot, p.dim, p.gradient + (first_own + own) * sizes.gradient);
  }
}

template <class T, bool kGradient>
void turn_large(const TurnPlan<T>& p, bool backward, int64_t begin, int64_t end) {
  using Form = LargeBlocks<T, kGradient>;
  using Scalar = typename RotationScalar<T>::Type;
  const int64_t of_item = tokens_of_item(p), size = p.dim * p.block, slot = Form::slot_size(p.dim, p.block);
  const bool by_head = Form::by_head(p.block);
  const Scratch<Scalar> packed(slot * (by_head ? 1 : of_item * p.own_heads)), rows(Form::rows_size(p.dim));
  const int64_t steps = Form::steps(p.dim, p.block, false), sum_steps = Form::steps(p.dim, p.block, true);
  const typename Form::Lines lines(p.in, p.dim, steps), turned_lines(kGradient ? p.turned : p.in, p.dim, sum_steps);
  for (int64_t item = begin; item < end; ++item) {
    const int64_t first = item * of_item, last = first + of_item < p.tokens - 1 ? first + of_item : p.tokens - 1;
    if (item == 0) copy_cls(p);
    const Order order{first, last - first, p.heads, p.samples, Form::kSamples, by_head};
    for (int64_t number = 0; number < order.count(); ++number) {
      const Unit unit = order[number], next = order[number + 1 < order.count() ? number + 1 : number];
      const int64_t own = p.own_heads == 1 ? 0 : unit.head, matrix = (unit.token * p.own_heads + own) * size;
      Scalar* const place = packed.get() + (by_head ? 0 : ((unit.token - first) * p.own_heads + own) * slot);
      const bool new_matrix = unit.sample == 0 && (p.own_heads > 1 || unit.head == 0);
      const Scalar* const c = Form::is_packed(p.block, backward) ? place : p.rotations + matrix;
      if (new_matrix && c == place) Form::pack(p.rotations + matrix, p.dim, p.block, backward, place);
      const Rows<T> r = rows_of<T, kGradient>(p, unit, next);
      // The next head's matrices, a share with every run of this head.
      const bool shares = by_head && p.own_heads > 1 && number + order.runs() < order.count();
      const int64_t share = shares ? size / order.runs() : 0, from = shares ? matrix + size + unit.sample / order.run * share : matrix;
      const auto queue = [&](const T* next_rows, const typename Form::Lines& list, const Scalar* base, int64_t count) {
        const auto bytes = static_cast<int64_t>(sizeof(Scalar)) * share;
        const auto* const begin_share = reinterpret_cast<const char*>(base + from);
        return typename Form::Queue{
            reinterpret_cast<const char*>(next_rows), list.offset.get(), list.end, begin_share, begin_share + bytes, bytes / count + 1};
      };
      Form::turn(r, p.dim, p.block, c, rows.get(), kGradient ? p.gradient + matrix : nullptr, queue(r.next_in[0], lines, p.rotations, steps),
                 kGradient ? queue(r.next_turned[0], turned_lines, p.gradient, sum_steps) : typename Form::Queue{});
    }
  }
}

template <class T, bool kGradient>
void turn(const TurnPlan<T>& p, bool backward, int64_t begin, int64_t end) {
  constexpr int64_t kLanes = Lanes<typename RotationScalar<T>::Type>::kCount;
  if (p.block == 0) return turn_small<T, 2, true, kGradient>(p, backward, begin, end);
  if (p.block == 2) return turn_small<T, 2, false, kGradient>(p, backward, begin, end);
  if constexpr (kLanes >= 4)
    if (p.block == 4) return turn_small<T, 4, false, kGradient>(p, backward, begin, end);
  if constexpr (kLanes >= 8)
    if (p.block == 8) return turn_small<T, 8, false, kGradient>(p, backward, begin, end);
  turn_large<T, kGradient>(p, backward, begin, end);
}

template <class T>
void forward(const TurnPlan<T>& p, int64_t begin, int64_t end) {
  turn<T, false>(p, false, begin, end);
}

template <class T>
void backward(const TurnPlan<T>& p, int64_t begin, int64_t end) {
  if (p.gradient)
    turn<T, true>(p, true, begin, end);
  else
    turn<T, false>(p, true, begin, end);
}

}  // namespace

#ifndef LIERE_BFLOAT16_ONLY
const TurnKernels<float> kTurnFloat = {items<float>, forward<float>, backward<float>};
const TurnKernels<double> kTurnDouble = {items<double>, forward<double>, backward<double>};
#endif
const TurnKernels<Bfloat16Bits> kTurnBfloat16 = {items<Bfloat16Bits>, forward<Bfloat16Bits>, backward<Bfloat16Bits>};

#undef LIERE_INLINE
}  // namespace liere::LIERE_INSTRUCTION_SET
