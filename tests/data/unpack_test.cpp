// Archives unpacked below a folder: every form, what leaves the folder, what is damaged, what is there already; a stop in between.
#include "data/prepare/unpack.h"

#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <fstream>

#include "core/check.h"
#include "core/files.h"
#include "core/signals.h"
#include "data/made_archives.h"
#include "data/made_videos.h"
#include "data/prepare/ucf101.h"
#include "support/catch.h"
#include "support/fixtures.h"
#include "support/matchers.h"

using namespace liere;
using namespace liere::test;
namespace fs = std::filesystem;

#ifdef LIERE_ARCHIVE
namespace {

bool everything(std::string_view) { return true; }

std::vector<ArchiveMember> members() {
  return {{"UCF-101/", "", "", true},
          {"UCF-101/a/one.avi", std::string(70000, 'a')},
          {"./UCF-101/b/two.avi", "two"},
          {"UCF-101/empty.avi", ""},
          {"UCF-101/readme.txt", "text"}};
}

}  // namespace

TEST_CASE("unpack: every form gives the same files, wanted ones alone, and nothing is written twice") {
  const auto form = GENERATE(as<std::string>(), "zip", "tar", "tar.gz", "7z");
  const TemporaryFolder folder;
  const fs::path archive = folder.path() / "UCF101.rar", root = folder.path() / "root";
  make_archive(archive.string(), form, members());
  fs::create_directories(root);
  const auto is_video = [](std::string_view path) { return path.ends_with(".avi"); };
  const Unpacked first = unpack_archive(archive, root, is_video);
  CHECK(first.files == 3);
  CHECK(first.passed_over == 1);
  CHECK(first.bytes == 70003);
  CHECK(read_file(root / "UCF-101/a/one.avi") == std::string(70000, 'a'));
  CHECK(read_file(root / "UCF-101/b/two.avi") == "two");
  CHECK_FALSE(fs::exists(root / "UCF-101/readme.txt"));
  const auto written = fs::last_write_time(root / "UCF-101/a/one.avi");
  std::ofstream(root / "UCF-101/b/two.avi") << "longer than two";  // cut or changed: unpacked again
  std::ofstream(root / "UCF-101/a/one.avi.part") << "half";
  const Unpacked second = unpack_archive(archive, root, is_video);
  CHECK(second.files == 1);
  CHECK(second.kept == 2);
  CHECK(fs::last_write_time(root / "UCF-101/a/one.avi") == written);
  CHECK(read_file(root / "UCF-101/b/two.avi") == "two");
}

TEST_CASE("unpack: nothing is written outside the root, through a link, or of another kind than a file") {
  const TemporaryFolder folder;
  const fs::path archive = folder.path() / "a.tar", root = folder.path() / "root";
  fs::create_directories(root);
  for (const std::string path : {"../out.avi", "a/../../out.avi", "/out.avi", "a/..", "..", "a\\..\\..\\out.avi"}) {
    CAPTURE(path);
    make_archive(archive.string(), "tar", {{path, "x"}});
    CHECK_THROWS_WITH(unpack_archive(archive, root, everything), has("leaves the folder"));
  }
  make_archive(archive.string(), "tar", {{"a.avi", "", "/etc/passwd"}});
  CHECK_THROWS_WITH(unpack_archive(archive, root, everything), has("a link or a device"));
  // A link that was in the root before.
  fs::create_directories(folder.path() / "outside");
  fs::create_directory_symlink(folder.path() / "outside", root / "a");
  make_archive(archive.string(), "tar", {{"a/b.avi", "x"}});
  CHECK_THROWS_WITH(unpack_archive(archive, root, everything), has("is no folder"));
  CHECK(fs::is_empty(folder.path() / "outside"));
  CHECK_FALSE(fs::exists(folder.path() / "out.avi"));
}

TEST_CASE("unpack: damaged archives, and files that are none, are refused and leave no half file") {
  const auto form = GENERATE(as<std::string>(), "zip", "tar.gz", "7z");
  const TemporaryFolder folder;
  const fs::path archive = folder.path() / "a", root = folder.path() / "root";
  std::string noise;
  for (uint32_t i = 0, x = 1; i < 50000; ++i) noise += static_cast<char>((x = x * 1664525 + 1013904223) >> 24);
  make_archive(archive.string(), form, {{"one.avi", noise}});
  const std::string whole = read_file(archive);
  for (const int percent : {10, 50, 90}) {
    CAPTURE(form, percent);
    std::ofstream(archive, std::ios::binary) << whole.substr(0, whole.size() * percent / 100);
    fs::remove_all(root);
    fs::create_directories(root);
    CHECK_THROWS_AS(unpack_archive(archive, root, everything), DataError);
    CHECK_FALSE(fs::exists(root / "one.avi"));
  }
  std::ofstream(archive, std::ios::binary) << "<html>404</html>";
  CHECK_THROWS_AS(unpack_archive(archive, root, everything), DataError);
  if (form == "tar.gz") return;  // libarchive does not compare gzip's checksum; those of RAR, zip and 7z it does
  std::string flipped = whole;
  flipped[whole.size() / 2] = static_cast<char>(flipped[whole.size() / 2] ^ 1);
  std::ofstream(archive, std::ios::binary) << flipped;
  CHECK_THROWS_AS(unpack_archive(archive, root, everything), DataError);
  CHECK_FALSE(fs::exists(root / "one.avi"));
}

#ifdef LIERE_VIDEO
TEST_CASE("unpack: prepare ucf101 stops with 75 and goes on, archive and lists are found in one folder") {
  const TemporaryFolder folder;
  const fs::path root = folder.path() / "root";
  make_archive((folder.path() / "UCF101.rar").string(), "zip",
               {{"UCF-101/YoYo/v_YoYo_g08_c01.avi", made_video()}, {"UCF-101/YoYo/v_YoYo_g01_c01.avi", made_video({.frames = 4})}});
  make_archive((folder.path() / "UCF101TrainTestSplits-RecognitionTask.zip").string(), "zip",
               {{"ucfTrainTestlist/classInd.txt", "1 YoYo\r\n"},
                {"ucfTrainTestlist/trainlist01.txt", "YoYo/v_YoYo_g08_c01.avi 1\r\n"},
                {"ucfTrainTestlist/testlist01.txt", "YoYo/v_YoYo_g01_c01.avi\r\n"}});
  const PrepareUcf101Options options{.from = folder.path().string(), .root = root.string()};
  const pid_t child = ::fork();
  if (child == 0) {
    install_stop_signals();
    ::raise(SIGTERM);
    ::_exit(run_command([&] {
      prepare_ucf101(options);
      return 0;
    }));
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  CHECK(WEXITSTATUS(status) == 75);
  CHECK_FALSE(fs::exists(root / "ucf101-frames.index"));
  prepare_ucf101(options);
  CHECK(fs::exists(root / "ucf101-frames.index"));
  // Unpacked videos are used where they are.
  CHECK_NOTHROW(prepare_ucf101({.from = root.string()}));
  CHECK_THROWS_AS(prepare_ucf101({.from = root.string(), .root = folder.path().string()}), ConfigError);
  CHECK_THROWS_WITH(prepare_ucf101({.from = (folder.path() / "absent").string()}), has("Expected UCF101.rar"));
}
#endif
#endif
