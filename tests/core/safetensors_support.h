// What the tests of the safetensors format share: files made of raw bytes, and what is asked of an opened one.
#pragma once

#include <filesystem>
#include <fstream>
#include <iterator>
#include <span>
#include <string>
#include <vector>

#include "core/check.h"
#include "core/safetensors.h"
#include "support/catch.h"

namespace liere::test {

inline void put(const std::filesystem::path& path, const std::string& content) { std::ofstream(path, std::ios::binary) << content; }

inline std::string get(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

inline std::string length_bytes(uint64_t length) { return {reinterpret_cast<const char*>(&length), 8}; }
inline std::string file_of(const std::string& json, size_t data = 0) { return length_bytes(json.size()) + json + std::string(data, 'd'); }

inline std::span<const std::byte> bytes_of(const std::string& text) { return std::as_bytes(std::span(text.data(), text.size())); }

// The message with which `path` is refused; an empty string when it opens.
inline std::string refusal(const std::filesystem::path& path) {
  try {
    safetensors::File::open(path);
  } catch (const CheckpointError& error) {
    return error.what();
  }
  return "";
}

// What any accepted file must satisfy, whatever its header says: every tensor lies in the file and is as long as its shape.
inline void check_structure(const safetensors::File& file, size_t file_size) {
  uint64_t total = 0;
  for (const auto& [name, info] : file.tensors()) {
    uint64_t bytes = safetensors::size_of(info.dtype);
    for (const int64_t size : info.shape) bytes *= static_cast<uint64_t>(size);
    REQUIRE(file.data(name).size() == bytes);
    REQUIRE(file.data(name).data() + bytes <= file.header_bytes().data() + file_size);
    total += bytes;
  }
  REQUIRE(file.header_bytes().size() + total == file_size);
}

inline const std::string kSmallData = "0123456789abcdefghijklmn";  // 24 bytes
inline std::vector<safetensors::TensorView> small_tensors() {
  const auto data = bytes_of(kSmallData);
  return {{"w", safetensors::Dtype::kF32, {2, 2}, data.first(16)}, {"b", safetensors::Dtype::kI64, {}, data.last(8)}};
}

}  // namespace liere::test
