#include "data/md5.h"

#include <array>
#include <bit>
#include <cstdint>
#include <cstring>

namespace liere {
namespace {

// floor(2^32 |sin(i + 1)|), RFC 1321 section 3.4.
constexpr uint32_t kSines[64] = {
    0xd76aa478, 0xe8c7b756, 0x242070db, 0xc1bdceee, 0xf57c0faf, 0x4787c62a, 0xa8304613, 0xfd469501, 0x698098d8, 0x8b44f7af, 0xffff5bb1,
    0x895cd7be, 0x6b901122, 0xfd987193, 0xa679438e, 0x49b40821, 0xf61e2562, 0xc040b340, 0x265e5a51, 0xe9b6c7aa, 0xd62f105d, 0x02441453,
    0xd8a1e681, 0xe7d3fbc8, 0x21e1cde6, 0xc33707d6, 0xf4d50d87, 0x455a14ed, 0xa9e3e905, 0xfcefa3f8, 0x676f02d9, 0x8d2a4c8a, 0xfffa3942,
    0x8771f681, 0x6d9d6122, 0xfde5380c, 0xa4beea44, 0x4bdecfa9, 0xf6bb4b60, 0xbebfbc70, 0x289b7ec6, 0xeaa127fa, 0xd4ef3085, 0x04881d05,
    0xd9d4d039, 0xe6db99e5, 0x1fa27cf8, 0xc4ac5665, 0xf4292244, 0x432aff97, 0xab9423a7, 0xfc93a039, 0x655b59c3, 0x8f0ccc92, 0xffeff47d,
    0x85845dd1, 0x6fa87e4f, 0xfe2ce6e0, 0xa3014314, 0x4e0811a1, 0xf7537e82, 0xbd3af235, 0x2ad7d2bb, 0xeb86d391};
constexpr int kShifts[4][4] = {{7, 12, 17, 22}, {5, 9, 14, 20}, {4, 11, 16, 23}, {6, 10, 15, 21}};

using State = Md5::State;

template <int kRound>
constexpr uint32_t mix(uint32_t b, uint32_t c, uint32_t d) {
  if constexpr (kRound == 0) return (b & c) | (~b & d);
  if constexpr (kRound == 1) return (b & d) | (c & ~d);
  if constexpr (kRound == 2) return b ^ c ^ d;
  return c ^ (b | ~d);
}

template <int kRound>
void apply_round(State& s, const uint32_t (&words)[16]) {
  constexpr int kStart[4] = {0, 1, 5, 0}, kStride[4] = {1, 5, 3, 7};
  for (int i = 0; i < 16; ++i) {
    const uint32_t sum = s[0] + mix<kRound>(s[1], s[2], s[3]) + words[(kStart[kRound] + kStride[kRound] * i) % 16] + kSines[16 * kRound + i];
    s = {s[3], s[1] + std::rotl(sum, kShifts[kRound][i % 4]), s[1], s[2]};
  }
}

void digest_block(State& state, const char* block) {
  static_assert(std::endian::native == std::endian::little, "MD5 reads its words in little-endian order");
  uint32_t words[16];
  std::memcpy(words, block, sizeof words);
  State s = state;
  apply_round<0>(s, words);
  apply_round<1>(s, words);
  apply_round<2>(s, words);
  apply_round<3>(s, words);
  for (int i = 0; i < 4; ++i) state[i] += s[i];
}

}  // namespace

void Md5::add_blocks(std::string_view bytes) {
  for (size_t i = 0; i + kBlock <= bytes.size(); i += kBlock) digest_block(state_, bytes.data() + i);
  bytes_ += bytes.size();
}

std::string Md5::finish(std::string_view rest) {
  const size_t whole = rest.size() / kBlock * kBlock;
  add_blocks(rest.substr(0, whole));
  rest.remove_prefix(whole);
  char tail[128] = {};
  if (!rest.empty()) std::memcpy(tail, rest.data(), rest.size());
  tail[rest.size()] = static_cast<char>(0x80);
  const size_t tail_size = rest.size() < 56 ? 64 : 128;
  const uint64_t bits = (bytes_ + rest.size()) * 8;
  std::memcpy(tail + tail_size - 8, &bits, 8);
  for (size_t i = 0; i < tail_size; i += kBlock) digest_block(state_, tail + i);

  std::string hex;
  for (const uint32_t word : state_)
    for (int byte = 0; byte < 4; ++byte)
      for (const int nibble : {word >> (8 * byte + 4) & 15, word >> (8 * byte) & 15}) hex += "0123456789abcdef"[nibble];
  return hex;
}

std::string md5(std::string_view bytes) { return Md5().finish(bytes); }

}  // namespace liere
