#include "core/tensorboard.h"

#include <array>
#include <bit>

namespace liere::tensorboard {
namespace {

constexpr std::array<uint32_t, 256> kCrcTable = [] {
  std::array<uint32_t, 256> table{};
  for (uint32_t i = 0; i < 256; ++i) {
    table[i] = i;
    for (int bit = 0; bit < 8; ++bit) table[i] = table[i] >> 1 ^ (table[i] & 1 ? 0x82F63B78u : 0);
  }
  return table;
}();

void put_fixed(std::string& out, uint64_t value, int bytes) {
  for (int i = 0; i < bytes; ++i) out += static_cast<char>(value >> 8 * i & 0xff);
}

void put_varint(std::string& out, uint64_t value) {
  for (; value >= 0x80; value >>= 7) out += static_cast<char>(value | 0x80);
  out += static_cast<char>(value);
}

// A field's key is its number and its wire type: 0 varint, 1 eight bytes, 2 a length and bytes, 5 four bytes.
void put_integer(std::string& out, int field, int64_t value) {
  put_varint(out, static_cast<uint64_t>(field) << 3);
  put_varint(out, static_cast<uint64_t>(value));
}
void put_double(std::string& out, int field, double value) {
  put_varint(out, static_cast<uint64_t>(field) << 3 | 1);
  put_fixed(out, std::bit_cast<uint64_t>(value), 8);
}
void put_float(std::string& out, int field, float value) {
  put_varint(out, static_cast<uint64_t>(field) << 3 | 5);
  put_fixed(out, std::bit_cast<uint32_t>(value), 4);
}
void put_bytes(std::string& out, int field, std::string_view bytes) {
  put_varint(out, static_cast<uint64_t>(field) << 3 | 2);
  put_varint(out, bytes.size());
  out += bytes;
}

uint32_t masked(uint32_t crc) { return (crc >> 15 | crc << 17) + 0xa282ead8u; }

std::string event(double wall_time, int64_t step) {
  std::string bytes;
  put_double(bytes, 1, wall_time);
  if (step != 0) put_integer(bytes, 2, step);
  return bytes;
}

/// SummaryMetadata: which plugin shows it, and a description.
std::string metadata(std::string_view plugin, std::string_view description) {
  std::string name, bytes;
  put_bytes(name, 1, plugin);
  put_bytes(bytes, 1, name);
  if (!description.empty()) put_bytes(bytes, 3, description);
  return bytes;
}

}  // namespace

uint32_t crc32c(std::string_view bytes) {
  uint32_t crc = 0xffffffffu;
  for (const char byte : bytes) crc = kCrcTable[(crc ^ static_cast<uint8_t>(byte)) & 0xff] ^ crc >> 8;
  return ~crc;
}

std::string framed(std::string_view payload) {
  std::string bytes;
  bytes.reserve(payload.size() + 16);
  put_fixed(bytes, payload.size(), 8);
  put_fixed(bytes, masked(crc32c(bytes)), 4);
  bytes += payload;
  put_fixed(bytes, masked(crc32c(payload)), 4);
  return bytes;
}

std::string file_version(double wall_time) {
  std::string bytes = event(wall_time, 0);
  put_bytes(bytes, 3, "brain.Event:2");
  return framed(bytes);
}

std::string session_start(double wall_time, int64_t step) {
  std::string bytes = event(wall_time, step), log;
  put_integer(log, 1, 1);
  put_bytes(bytes, 7, log);
  return framed(bytes);
}

std::string scalars(double wall_time, int64_t step, const std::vector<Scalar>& values) {
  std::string summary;
  for (const Scalar& scalar : values) {
    std::string value;
    put_bytes(value, 1, scalar.tag);
    put_float(value, 2, static_cast<float>(scalar.value));
    if (!scalar.description.empty()) put_bytes(value, 9, metadata("scalars", scalar.description));
    put_bytes(summary, 1, value);
  }
  std::string bytes = event(wall_time, step);
  put_bytes(bytes, 5, summary);
  return framed(bytes);
}

std::string text(double wall_time, int64_t step, std::string_view tag, std::string_view markdown) {
  constexpr int kString = 7;  // DataType DT_STRING
  std::string tensor, value, summary;
  put_integer(tensor, 1, kString);
  put_bytes(tensor, 2, "");  // a shape of no dimensions
  put_bytes(tensor, 8, markdown);
  put_bytes(value, 1, tag);
  put_bytes(value, 8, tensor);
  put_bytes(value, 9, metadata("text", ""));
  put_bytes(summary, 1, value);
  std::string bytes = event(wall_time, step);
  put_bytes(bytes, 5, summary);
  return framed(bytes);
}

}  // namespace liere::tensorboard
