// A file that only grows, by whole lines or records: appended in memory, written by flush(), cut back to a known length when a run resumes.
// A write that fails part of the way (a full disk) is undone, so the file always ends with a whole record; the rest stays in memory for the next try.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

namespace liere {

class AppendFile {
 public:
  /// Opens or creates `path` and cuts it to `keep` bytes where it is longer. Throws CheckpointError.
  AppendFile(const std::filesystem::path& path, int64_t keep);
  /// Writes what is left; failures pass unseen.
  ~AppendFile();
  AppendFile(const AppendFile&) = delete;
  AppendFile& operator=(const AppendFile&) = delete;

  void append(std::string_view whole) { waiting_.append(whole); }
  /// Empty when everything is in the file, else errno's text.
  std::string flush();
  /// flush, then fdatasync: the bytes survive a power cut. Throws CheckpointError naming the file.
  void sync();
  /// Bytes in the file and in memory.
  int64_t size() const { return written_ + static_cast<int64_t>(waiting_.size()); }
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
  int descriptor_ = -1;
  int64_t written_ = 0;
  bool synced_ = true;
  std::string waiting_;
};

}  // namespace liere
