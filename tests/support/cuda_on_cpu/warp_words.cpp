// What a warp computes together: the last lane to arrive does it for all.
#include <algorithm>

#include "models/kernels/cuda_device.h"
#include "support/cuda_on_cpu/block.h"

namespace liere {
namespace emulator {
namespace {

template <bool kBfloat16>
float element(uint32_t word, int half) {
  const auto bits = static_cast<uint16_t>(word >> (16 * half));
  return kBfloat16 ? widen(Bfloat16Bits{bits}) : widen(HalfBits{bits});
}

typedef float Row __attribute__((vector_size(32)));
struct Fragments {
  uint32_t a[4], b[2];
  float d[4];
};

void whole_warp(int lanes, const char* word) {
  if (lanes != kWarp) fail(std::string(word) + ": the block's last warp has " + std::to_string(lanes) + " lanes");
}

template <bool kBfloat16>
void multiply(Letter* letters, int lanes) {
  whole_warp(lanes, "mma");
  float a[16][16];
  Row b[16], d[16];
  for (int lane = 0; lane < kWarp; ++lane) {
    Fragments own;
    memcpy(&own, letters[lane].in, sizeof(own));
    const int g = lane / 4, t = lane % 4;
    for (int half = 0; half < 2; ++half) {
      for (int i = 0; i < 4; ++i) a[g + 8 * (i % 2)][2 * t + half + 8 * (i / 2)] = element<kBfloat16>(own.a[i], half);
      for (int i = 0; i < 2; ++i) b[2 * t + half + 8 * i][g] = element<kBfloat16>(own.b[i], half);
    }
    for (int i = 0; i < 4; ++i) d[g + 8 * (i / 2)][2 * t + i % 2] = own.d[i];
  }
  for (int row = 0; row < 16; ++row) {
    Row sum = d[row];
    for (int k = 0; k < 16; ++k) sum += a[row][k] * b[k];
    d[row] = sum;
  }
  for (int lane = 0; lane < kWarp; ++lane) {
    const int g = lane / 4, t = lane % 4;
    float own[4];
    for (int i = 0; i < 4; ++i) own[i] = d[g + 8 * (i / 2)][2 * t + i % 2];
    memcpy(letters[lane].out, own, sizeof(own));
  }
}

template <bool kBfloat16>
void mma(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2], Site where) {
  Fragments own;
  memcpy(own.a, a, sizeof(a));
  memcpy(own.b, b, sizeof(b));
  memcpy(own.d, d, sizeof(d));
  Letter& mine = letter();
  memcpy(mine.in, &own, sizeof(own));
  meet(Word::kMma, multiply<kBfloat16>, where);
  memcpy(d, mine.out, sizeof(d));
}

template <bool kTransposed>
void exchange_rows(Letter* letters, int lanes) {
  whole_warp(lanes, "load_matrices");
  for (int matrix = 0; matrix < 4; ++matrix) {
    uint16_t rows[8][8];
    for (int row = 0; row < 8; ++row) memcpy(rows[row], letters[8 * matrix + row].in, 16);
    for (int lane = 0; lane < kWarp; ++lane) {
      const int g = lane / 4, t = 2 * (lane % 4);
      const uint16_t pair[2] = {kTransposed ? rows[t][g] : rows[g][t], kTransposed ? rows[t + 1][g] : rows[g][t + 1]};
      memcpy(letters[lane].out + 4 * matrix, pair, 4);
    }
  }
}

}  // namespace

void shuffle_letters(Letter* letters, int lanes) {
  for (int i = 0; i < lanes; ++i) {
    if (letters[i].from >= lanes) fail("a shuffle reads lane " + std::to_string(letters[i].from) + " of a warp of " + std::to_string(lanes));
    memcpy(letters[i].out, letters[letters[i].from].in, sizeof(letters[i].out));
  }
}

void load_matrices(uint32_t (&r)[4], const void* row, bool transposed, Site where) {
  Letter& mine = letter();
  memcpy(mine.in, row, 16);
  meet(Word::kLoadMatrices, transposed ? exchange_rows<true> : exchange_rows<false>, where);
  memcpy(r, mine.out, sizeof(r));
}

}  // namespace emulator

void mma_half(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2], emulator::Site where) { emulator::mma<false>(d, a, b, where); }
void mma_bfloat16(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2], emulator::Site where) { emulator::mma<true>(d, a, b, where); }

}  // namespace liere
