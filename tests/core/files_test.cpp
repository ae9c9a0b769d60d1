#include "core/files.h"

#include <unistd.h>

#include "core/check.h"
#include "support/catch.h"
#include "support/fixtures.h"

namespace liere::test {
namespace {

size_t count_files(const std::filesystem::path& folder) {
  size_t count = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(folder)) ++count;
  return count;
}

TEST_CASE("files: what is written is read back, byte for byte") {
  const TemporaryFolder folder;
  const auto path = folder.path() / "file.bin";
  std::string content = "a\0b\r\n\xFF";
  content += std::string(3, '\0');
  write_file_atomically(path, content);
  CHECK(read_file(path) == content);
  const std::string large(300000, 'x');
  write_file_atomically(path, large);
  CHECK(read_file(path) == large);
  write_file_atomically(path, "");
  CHECK(read_file(path).empty());
  CHECK(count_files(folder.path()) == 1);  // no temporary is left
}

TEST_CASE("files: a limit and a missing file are errors that name the path") {
  const TemporaryFolder folder;
  const auto path = folder.path() / "file.bin";
  write_file_atomically(path, "12345");
  CHECK(read_file(path, 5) == "12345");
  CHECK_THROWS_WITH(read_file(path, 4), path.string() + " is larger than the limit of 4 bytes.");
  CHECK_THROWS_AS(read_file(path, 4), DataError);
  CHECK_THROWS_WITH(read_file(folder.path() / "none"), "cannot read " + (folder.path() / "none").string() + ": No such file or directory.");
  CHECK_THROWS_AS(read_file(folder.path()), DataError);
  CHECK_THROWS_WITH(read_file("/dev/zero", 1000), "/dev/zero is larger than the limit of 1000 bytes.");  // a file without a size
}

TEST_CASE("files: a write that fails leaves the old file and no temporary") {
  const TemporaryFolder folder;
  const auto missing = folder.path() / "missing" / "file";
  try {
    write_file_atomically(missing, "x");
    FAIL("no error");
  } catch (const Error& error) {
    CHECK(error.code() == ExitCode::kFailure);
    CHECK_THAT(error.what(), Catch::Contains(missing.string()));
    CHECK_THAT(error.what(), Catch::Contains("No such file or directory"));
  }
  const auto occupied = folder.path() / "folder";
  std::filesystem::create_directories(occupied / "inside");
  CHECK_THROWS_AS(write_file_atomically(occupied, "x"), Error);  // rename onto a folder
  CHECK(count_files(folder.path()) == 1);
  CHECK(std::filesystem::is_directory(occupied / "inside"));
}

}  // namespace
}  // namespace liere::test
