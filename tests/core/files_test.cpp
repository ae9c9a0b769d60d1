#include "core/files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>

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
    CHECK(std::string(error.what()).find(missing.string()) != std::string::npos);
    CHECK(std::string(error.what()).find("No such file or directory") != std::string::npos);
  }
  const auto occupied = folder.path() / "folder";
  std::filesystem::create_directories(occupied / "inside");
  CHECK_THROWS_WITH(write_file_atomically(occupied, "x"), "cannot write " + occupied.string() + ": it is a folder. Name a file, or a pipe or terminal such as /dev/stdout.");
  CHECK(count_files(folder.path()) == 1);
  CHECK(std::filesystem::is_directory(occupied / "inside"));
}

TEST_CASE("files: a link stays and its file is replaced, a link to nothing becomes the file") {
  const TemporaryFolder folder;
  const auto file = folder.path() / "inside" / "file", link = folder.path() / "link", dangling = folder.path() / "dangling";
  std::filesystem::create_directory(folder.path() / "inside");
  write_file_atomically(file, "old");
  std::filesystem::create_symlink("inside/file", link);
  write_file_atomically(link, "new");
  CHECK(std::filesystem::is_symlink(link));
  CHECK_FALSE(std::filesystem::is_symlink(file));
  CHECK(read_file(file) == "new");
  std::filesystem::create_symlink("nowhere", dangling);
  write_file_atomically(dangling, "x");
  CHECK(read_file(dangling) == "x");
  CHECK(count_files(folder.path()) == 3);
  CHECK(count_files(folder.path() / "inside") == 1);
}

TEST_CASE("files: pipes and devices are written into, never replaced") {
  const TemporaryFolder folder;
  const auto pipe = folder.path() / "pipe";
  REQUIRE(::mkfifo(pipe.c_str(), 0600) == 0);
  const int reader = ::open(pipe.c_str(), O_RDONLY | O_NONBLOCK);
  REQUIRE(reader >= 0);
  write_file_atomically(pipe, "through");
  std::string got(20, '\0');
  const auto count = ::read(reader, got.data(), got.size());
  ::close(reader);
  REQUIRE(count == 7);
  CHECK(got.substr(0, 7) == "through");
  CHECK(std::filesystem::is_fifo(pipe));
  const auto device = folder.path() / "device";
  std::filesystem::create_symlink("/dev/null", device);
  write_file_atomically(device, "gone");
  CHECK(std::filesystem::is_symlink(device));
  CHECK(std::filesystem::is_character_file(device));
  CHECK(count_files(folder.path()) == 2);
}

TEST_CASE("files: standard output redirected to a file gets the text after what was printed, and more can follow") {
  const TemporaryFolder folder;
  const auto redirected = folder.path() / "redirected", link = folder.path() / "stdout";
  std::filesystem::create_symlink("/proc/self/fd/1", link);  // as /dev/stdout is
  std::fflush(stdout);
  const int saved = ::dup(STDOUT_FILENO), file = ::open(redirected.c_str(), O_WRONLY | O_CREAT, 0600);
  REQUIRE(saved >= 0);
  REQUIRE(file >= 0);
  ::dup2(file, STDOUT_FILENO);
  ::close(file);
  std::printf("before ");
  write_file_atomically(link, "{json}");
  std::printf(" after");
  std::fflush(stdout);
  ::dup2(saved, STDOUT_FILENO);
  ::close(saved);
  CHECK(read_file(redirected) == "before {json} after");
  CHECK(std::filesystem::is_symlink(link));
}

}  // namespace
}  // namespace liere::test
