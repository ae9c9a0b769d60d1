// Where the members of a tar archive are, without reading what they hold: POSIX ustar with its name prefix, GNU long names, pax records for path and size,
// base-256 sizes. Header checksums are verified. IEEE Std 1003.1-2017 "pax", section "ustar Interchange Format"; GNU tar manual, "Basic Tar Format".
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace liere {

struct TarMember {
  std::string name;
  uint64_t offset = 0, size = 0;  // of the content, from the beginning of the file that holds the archive
};

/// Fills `size` bytes from `offset` on; throws DataError when it cannot.
using ReadAt = std::function<void(uint64_t offset, char* bytes, size_t size)>;

/// The regular files of the archive that lies in [begin, end); folders, links and devices are passed over. Throws DataError naming `path` and the byte: a header with
/// a wrong checksum (damage, or no tar), a member that ends behind `end`, a name that leaves the archive's root, an end without the two blocks of zeros.
std::vector<TarMember> list_tar(const ReadAt& read, uint64_t begin, uint64_t end, const std::string& path);

}  // namespace liere
