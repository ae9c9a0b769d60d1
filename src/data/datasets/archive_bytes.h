// A file that is open for as long as its owner lives and read at any place from any thread: one handle, however many samples are taken from it.
#pragma once

#include <filesystem>
#include <string>

namespace liere {

class ArchiveBytes {
 public:
  /// Throws DataError with errno's text and the remedy.
  explicit ArchiveBytes(const std::filesystem::path& path);
  ~ArchiveBytes();
  ArchiveBytes(const ArchiveBytes&) = delete;
  ArchiveBytes& operator=(const ArchiveBytes&) = delete;

  /// Fills all `size` bytes from `offset` on. `name`: what they are, for messages. Throws DataError with errno's text, or when the file ends before.
  void read_into(uint64_t offset, char* bytes, size_t size, const std::string& name) const;
  std::string read(uint64_t offset, size_t size, const std::string& name) const;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
  int file_;
};

}  // namespace liere
