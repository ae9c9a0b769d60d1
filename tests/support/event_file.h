// Reads TensorBoard's event files back, written apart from src/core/tensorboard.cpp: bitwise crc, a generic protobuf walk.
#pragma once

#include <cstdint>
#include <cstring>
#include <map>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace liere::test {

/// CRC-32C by polynomial division, bit for bit.
inline uint32_t bitwise_crc32c(std::string_view bytes) {
  uint32_t remainder = 0xffffffff;
  for (const char byte : bytes) {
    remainder ^= static_cast<unsigned char>(byte);
    for (int bit = 0; bit < 8; ++bit) remainder = (remainder & 1) != 0 ? (remainder >> 1) ^ 0x82f63b78 : remainder >> 1;
  }
  return remainder ^ 0xffffffff;
}

struct Value {
  std::string tag, text, plugin, description;
  float number = 0;
  bool has_number = false;
};
struct Event {
  double wall_time = 0;
  int64_t step = 0;
  std::string version;
  bool session_start = false;
  std::vector<Value> values;
};

class ProtoReader {
 public:
  explicit ProtoReader(std::string_view bytes) : bytes_(bytes) {}
  struct Field {
    int number = 0;
    uint64_t integer = 0;
    std::string_view bytes;
  };
  bool next(Field& field) {
    if (at_ == bytes_.size()) return false;
    const uint64_t key = varint();
    field = {static_cast<int>(key >> 3), 0, {}};
    switch (key & 7) {
      case 0: field.integer = varint(); break;
      case 1: std::memcpy(&field.integer, take(8).data(), 8); break;
      case 2: field.bytes = take(varint()); break;
      case 5: std::memcpy(&field.integer, take(4).data(), 4); break;
      default: throw std::runtime_error("a wire type that protobuf does not have");
    }
    return true;
  }

 private:
  std::string_view take(uint64_t count) {
    if (count > bytes_.size() - at_) throw std::runtime_error("a field reaches beyond its message");
    at_ += count;
    return bytes_.substr(at_ - count, count);
  }
  uint64_t varint() {
    uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      const auto byte = static_cast<unsigned char>(take(1)[0]);
      value |= static_cast<uint64_t>(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
    throw std::runtime_error("a varint without end");
  }
  std::string_view bytes_;
  size_t at_ = 0;
};

inline Value decode_value(std::string_view bytes) {
  Value value;
  ProtoReader reader(bytes);
  for (ProtoReader::Field field; reader.next(field);) {
    if (field.number == 1) value.tag = field.bytes;
    if (field.number == 2) {
      const auto bits = static_cast<uint32_t>(field.integer);
      std::memcpy(&value.number, &bits, 4);
      value.has_number = true;
    }
    ProtoReader inner(field.bytes);
    if (field.number == 8)
      for (ProtoReader::Field part; inner.next(part);) {
        if (part.number == 1 && part.integer != 7) throw std::runtime_error("a tensor that is not of strings");
        if (part.number == 8) value.text = part.bytes;
      }
    if (field.number == 9)
      for (ProtoReader::Field part; inner.next(part);) {
        if (part.number == 3) value.description = part.bytes;
        if (part.number != 1) continue;
        ProtoReader plugin(part.bytes);
        for (ProtoReader::Field name; plugin.next(name);)
          if (name.number == 1) value.plugin = name.bytes;
      }
  }
  return value;
}

inline Event decode_event(std::string_view bytes) {
  Event event;
  ProtoReader reader(bytes);
  for (ProtoReader::Field field; reader.next(field);) {
    if (field.number == 1) std::memcpy(&event.wall_time, &field.integer, 8);
    if (field.number == 2) event.step = static_cast<int64_t>(field.integer);
    if (field.number == 3) event.version = field.bytes;
    ProtoReader inner(field.bytes);
    if (field.number == 5)
      for (ProtoReader::Field value; inner.next(value);)
        if (value.number == 1) event.values.push_back(decode_value(value.bytes));
    if (field.number == 7)
      for (ProtoReader::Field status; inner.next(status);)
        if (status.number == 1 && status.integer == 1) event.session_start = true;
  }
  return event;
}

/// Every record of a file, checksums checked; std::runtime_error where something does not fit.
inline std::vector<Event> decode_events(std::string_view file) {
  std::vector<Event> events;
  const auto masked = [](std::string_view bytes) {
    const uint32_t crc = bitwise_crc32c(bytes);
    return ((crc >> 15) | (crc << 17)) + 0xa282ead8;
  };
  const auto stored = [&](size_t at) {
    uint32_t crc = 0;
    std::memcpy(&crc, file.data() + at, 4);
    return crc;
  };
  while (!file.empty()) {
    if (file.size() < 16) throw std::runtime_error("half a record at the end");
    uint64_t length = 0;
    std::memcpy(&length, file.data(), 8);
    if (stored(8) != masked(file.substr(0, 8))) throw std::runtime_error("the checksum of a length does not fit");
    if (length > file.size() - 16) throw std::runtime_error("half a record at the end");
    const auto payload = file.substr(12, length);
    if (stored(12 + length) != masked(payload)) throw std::runtime_error("the checksum of a record does not fit");
    events.push_back(decode_event(payload));
    file.remove_prefix(16 + length);
  }
  return events;
}

}  // namespace liere::test
