// Small file operations with errors that name the path.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

namespace liere {

/// The whole file; DataError with errno's text when it cannot be read or is larger than `limit` bytes.
std::string read_file(const std::filesystem::path& path, uint64_t limit = uint64_t(1) << 32);

/// Replaces `path` atomically: temporary beside it, fsync, rename, fsync of the folder. A link stays and its file is replaced. Pipes, terminals and
/// /dev/stdout are written into, after what was printed before; folders, sockets and block devices are refused. Throws Error(kFailure) naming path and cause.
void write_file_atomically(const std::filesystem::path& path, std::string_view content);

/// Puts a folder's entries on the disk; file systems that cannot are passed over. Throws std::system_error.
void sync_folder(const std::filesystem::path& folder);

/// Copies to `to`, which must not exist, and puts it on the disk. Throws std::system_error; nothing is left then.
void copy_file_to_disk(const std::filesystem::path& from, const std::filesystem::path& to);

/// Writes, synchronises, renames and removes a small file in `folder`: 0, or the errno with which that fails.
int write_probe(const std::filesystem::path& folder);

}  // namespace liere
