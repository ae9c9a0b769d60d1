// How a checkpoint proves that it is whole, and how those of a run are found. Format "liere-1" is a safetensors file whose metadata hold an XXH3-64
// per tensor ("xxh3") and one over the length bytes and header ("xxh3.header", its own digits taken as zeros). What else a checkpoint holds is
// train/checkpoint_file.h; docs/reliability.md.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "core/safetensors.h"

namespace liere {

constexpr auto kCheckpointFormat = "liere-1";
constexpr auto kHeaderDigestKey = "xxh3.header";
constexpr auto kNoDigest = "0000000000000000";

/// XXH3-64 as 16 digits.
std::string hex_digest(const void* data, size_t size);

/// The header of safetensors::header, whose metadata hold {kHeaderDigestKey, kNoDigest}, with the digest in that place.
std::string with_header_digest(std::string header);

/// Format, header digest and the digest of every tensor. Throws CheckpointError naming the path and the tensor.
void verify_checkpoint(const safetensors::File& file, const std::filesystem::path& path);

/// Step checkpoints of a run folder (checkpoints/step-NNNNNNNN.safetensors), newest first.
std::vector<std::filesystem::path> list_checkpoints(const std::filesystem::path& run);

/// The newest checkpoint that verifies; damaged ones are warned about, with the one used instead. nullopt when there is none at all; CheckpointError
/// when there are some but none is usable.
std::optional<std::filesystem::path> newest_valid_checkpoint(const std::filesystem::path& run);

}  // namespace liere
