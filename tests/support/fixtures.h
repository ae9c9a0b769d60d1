// Where tests find goldens and put their files.
#pragma once

#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <string>

namespace liere::test {

/// The golden folder: LIERE_GOLDEN, else ../shared/golden beside the source, else tests/golden.
inline std::filesystem::path golden_folder() {
  if (const char* name = std::getenv("LIERE_GOLDEN")) return name;
  const std::filesystem::path source = LIERE_SOURCE_DIR;
  if (const auto shared = source / "../shared/golden"; std::filesystem::exists(shared)) return shared;
  return source / "tests/golden";
}

/// ../shared beside the source (real data); may not exist.
inline std::filesystem::path shared_folder() { return std::filesystem::path(LIERE_SOURCE_DIR) / "../shared"; }

/// A fresh folder, removed with the object.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    static std::atomic<int> count = 0;
    path_ = std::filesystem::temp_directory_path() / ("liere-test-" + std::to_string(::getpid()) + "-" + std::to_string(count++));
    std::filesystem::create_directories(path_);
  }
  ~TemporaryFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

}  // namespace liere::test
