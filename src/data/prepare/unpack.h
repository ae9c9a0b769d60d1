// Archives of any form that libarchive reads (UCF101.rar, zip, tar) unpacked below a folder. Component LIERE_ARCHIVE.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>

namespace liere {

bool unpacking_supported();

struct Unpacked {
  int64_t files = 0, kept = 0, passed_over = 0;  // written; there before with the right size; not wanted
  uint64_t bytes = 0;                            // written
};

/// Writes the regular files whose path `wanted` accepts to root/<their path>: each beside its place, then renamed, so that a file with the right size
/// is whole and is kept when the command is run again. With progress. Throws ConfigError in a build without libarchive; DataError: no archive that
/// libarchive reads, damaged, a path that leaves the root, a link or file in place of a folder on the way, a file above kMaxUnpackedBytes;
/// Error(kFailure) when a file cannot be written; Error(kStoppedEarly) after a stop signal.
Unpacked unpack_archive(const std::filesystem::path& archive, const std::filesystem::path& root,
                        const std::function<bool(std::string_view path)>& wanted);

constexpr uint64_t kMaxUnpackedBytes = uint64_t(1) << 30;

}  // namespace liere
