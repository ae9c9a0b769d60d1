#include "data/datasets/archive_bytes.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "core/check.h"

namespace liere {

ArchiveBytes::ArchiveBytes(const std::filesystem::path& path) : path_(path.string()), file_(::open(path.c_str(), O_RDONLY | O_CLOEXEC)) {
  if (file_ < 0)
    throw DataError("cannot read " + path_ + ": " + std::strerror(errno) + "; put the archive back, or run liere-data prepare again with the folder where it is.");
  ::posix_fadvise(file_, 0, 0, POSIX_FADV_RANDOM);  // pictures come in shuffled order
}

ArchiveBytes::~ArchiveBytes() { ::close(file_); }

void ArchiveBytes::read_into(uint64_t offset, char* bytes, size_t size, const std::string& name) const {
  while (size > 0) {
    const ssize_t got = ::pread(file_, bytes, size, static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) throw DataError("cannot read " + name + ": " + std::strerror(errno) + ".");
    if (got == 0)
      throw DataError(name + ": the archive ends at byte " + std::to_string(offset) + ", before it does; it was cut: fetch it again and run liere-data prepare.");
    offset += static_cast<uint64_t>(got);
    bytes += got;
    size -= static_cast<size_t>(got);
  }
}

std::string ArchiveBytes::read(uint64_t offset, size_t size, const std::string& name) const {
  std::string bytes(size, '\0');
  read_into(offset, bytes.data(), size, name);
  return bytes;
}

}  // namespace liere
