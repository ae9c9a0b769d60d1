// The JSON header of a safetensors file, checked while it is parsed: nothing deeper or other than the format's structure is ever built,
// so a hostile header costs its own length and no more. Inner part of core/safetensors.h.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/safetensors.h"

namespace liere::safetensors {

constexpr uint64_t kHeaderCap = uint64_t(16) << 20;
constexpr std::string_view kMetadata = "__metadata__";

struct Header {
  std::map<std::string, std::string> metadata;
  std::map<std::string, TensorInfo> tensors;
};

/// `json`: the header without its length; `data_bytes`: what follows it in the file. Returns what is wrong, or an empty string and `header`.
std::string parse_header(std::string_view json, uint64_t data_bytes, Header& header);

/// Bytes of a tensor, or nothing when a size is negative or the product leaves 63 bits (even where a later size is 0).
std::optional<uint64_t> byte_count(Dtype dtype, const std::vector<int64_t>& shape);

/// A name from a file for a message: shortened, control characters replaced, so that the message stays one readable line.
std::string in_quotes(std::string_view text);

}  // namespace liere::safetensors
