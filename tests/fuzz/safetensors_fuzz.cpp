// The safetensors header: whatever the bytes, an answer; and what is accepted lies within the file.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <nlohmann/json.hpp>

#include "core/safetensors_header.h"

using namespace liere::safetensors;

namespace {

void require(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "fuzz: an accepted header breaks a rule: %s\n", what);
  std::abort();
}

void parse(std::string_view json, uint64_t data_bytes) {
  Header header;
  const auto problem = parse_header(json, data_bytes, header);
  if (!problem.empty()) return;
  require(nlohmann::json::accept(json), "it is not JSON");
  uint64_t total = 0;
  for (const auto& [name, tensor] : header.tensors) {
    require(tensor.begin <= tensor.end && tensor.end <= data_bytes, "a tensor lies outside the data");
    require(byte_count(tensor.dtype, tensor.shape) == tensor.end - tensor.begin, "a tensor is not as long as its shape");
    total += tensor.end - tensor.begin;
  }
  require(total == data_bytes, "the data are not covered exactly once");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view content(reinterpret_cast<const char*>(data), size);
  uint64_t length = 0;
  if (size >= 8) std::memcpy(&length, data, 8);
  if (size >= 8 && length <= size - 8) parse(content.substr(8, length), size - 8 - length);
  // The JSON alone as well, so that a changed length does not hide it.
  if (size >= 8) parse(content.substr(8), 8);
  return 0;
}
