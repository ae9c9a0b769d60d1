// Small file operations with errors that name the path.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

namespace liere {

/// The whole file; DataError with errno's text when it cannot be read or is larger than `limit` bytes.
std::string read_file(const std::filesystem::path& path, uint64_t limit = uint64_t(1) << 32);

/// Replaces `path` atomically: temporary beside it, fsync, rename, fsync of the folder. Throws Error(kFailure) naming path and errno.
void write_file_atomically(const std::filesystem::path& path, std::string_view content);

}  // namespace liere
