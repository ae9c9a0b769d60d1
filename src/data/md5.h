// MD5 (RFC 1321), the checksum that the CIFAR archives are published with. It tells the official files from others; it protects from nobody.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace liere {

/// The sum of bytes that come piece by piece. Between pieces that are multiples of 64 bytes it can be written down and taken up again.
class Md5 {
 public:
  static constexpr size_t kBlock = 64;
  using State = std::array<uint32_t, 4>;

  Md5() = default;
  /// Goes on behind `bytes` bytes, a multiple of kBlock.
  Md5(const State& state, uint64_t bytes) : state_(state), bytes_(bytes) {}
  /// A multiple of kBlock bytes; only finish() takes others.
  void add_blocks(std::string_view bytes);
  /// 32 lower-case hexadecimal digits of all blocks and the `rest`.
  std::string finish(std::string_view rest);
  const State& state() const { return state_; }
  uint64_t bytes() const { return bytes_; }

 private:
  State state_ = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476};
  uint64_t bytes_ = 0;
};

/// 32 lower-case hexadecimal digits.
std::string md5(std::string_view bytes);

}  // namespace liere
