// A zip archive read in place, member by member and from any thread: the central directory (zip64 too) says where each lies, members are stored or
// deflated. Every size is held against the file's and against limits before anything is allocated, every content against its CRC-32. Names are never
// used as paths and never appear in messages, since those of medical pictures may tell who the patient is. PKWARE, APPNOTE.TXT 6.3.9.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "data/prepare/tar.h"

namespace liere {

struct ZipMember {
  std::string name;               // as stored: any bytes
  uint64_t number = 0;            // 1, 2, ... in the central directory; for messages
  uint64_t header = 0;            // offset of its local header
  uint64_t packed = 0, size = 0;  // bytes in the archive, bytes of its content
  uint64_t limit = 0;             // where the next member or the central directory begins: it ends before
  uint32_t crc = 0;
  uint16_t method = 0;  // 0 stored, 8 deflated
};

struct ZipLimits {
  uint64_t members = 10'000'000, directory_bytes = uint64_t(1) << 30;
  uint64_t member_bytes = uint64_t(1) << 30;  // of a member that is read
  double ratio = 1100;                        // size over packed size; deflate reaches 1,032
};

/// The regular files of the archive of `size` bytes, in the order of its directory; folders and links are passed over. Throws DataError naming `path`
/// and the member's number: no zip, cut, in several parts, a directory that contradicts itself, encrypted members, names that appear twice, members
/// that overlap.
std::vector<ZipMember> list_zip(const ReadAt& read, uint64_t size, const std::string& path, const ZipLimits& limits = {});

/// A member's content. Throws DataError naming `path` and the member's number: another method, a size or ratio over the limits, a local header that
/// differs from the directory, damaged data, another size or CRC-32 than stated.
std::string read_zip_member(const ReadAt& read, const ZipMember& member, const std::string& path, const ZipLimits& limits = {});

/// Its first bytes, at most `count`: as above, but that a CRC-32 is of all and is not compared.
std::string read_zip_member_head(const ReadAt& read, const ZipMember& member, const std::string& path, size_t count, const ZipLimits& limits = {});

/// An open archive.
class ZipArchive {
 public:
  explicit ZipArchive(const std::filesystem::path& path, const ZipLimits& limits = {});
  ~ZipArchive();
  const std::vector<ZipMember>& members() const;
  /// Thread-safe.
  std::string read(const ZipMember& member) const;
  std::string read_head(const ZipMember& member, size_t count) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace liere
