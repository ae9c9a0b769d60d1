// Staging: copies are complete, used again while they are current, made once by several processes, and never left half.
#include "data/stage.h"

#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>

#include "core/check.h"
#include "core/files.h"
#include "data/datasets/picture_index.h"
#include "support/catch.h"
#include "support/matchers.h"

using namespace liere;
using namespace liere::test;
namespace fs = std::filesystem;

namespace {

class MadeFolders {
 public:
  MadeFolders() : path_(fs::temp_directory_path() / ("liere-stage-" + std::to_string(::getpid()))) {
    fs::remove_all(path_);
    fs::create_directories(root());
  }
  ~MadeFolders() { fs::remove_all(path_); }
  fs::path root() const { return path_ / "data"; }
  fs::path stage() const { return path_ / "stage"; }
  void write(const std::string& name, const std::string& text) const {
    fs::create_directories((root() / name).parent_path());
    std::ofstream(root() / name, std::ios::binary) << text;
  }
  std::vector<StageFile> files(const std::vector<std::string>& names) const {
    std::vector<StageFile> files;
    for (const auto& name : names) files.push_back({root() / name, name});
    return files;
  }

 private:
  fs::path path_;
};

ino_t inode(const fs::path& path) {
  struct stat status {};
  REQUIRE(::stat(path.c_str(), &status) == 0);
  return status.st_ino;
}

int parts_in(const fs::path& folder) {
  int count = 0;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) count += entry.path().extension() == ".part";
  return count;
}

}  // namespace

TEST_CASE("staged files are copies, used again until the original changes", "[stage]") {
  const MadeFolders made;
  const std::string large(9 << 20, 'x');
  made.write("a.bin", large);
  made.write("sub/b.bin", "bytes");
  const auto files = made.files({"a.bin", "sub/b.bin"});
  const auto folder = stage_files(made.root(), files, made.stage());
  CHECK(folder.parent_path() == made.stage());
  CHECK(read_file(folder / "a.bin") == large);
  CHECK(read_file(folder / "sub/b.bin") == "bytes");
  const auto first = inode(folder / "a.bin"), second = inode(folder / "sub/b.bin");
  CHECK(stage_files(made.root(), files, made.stage()) == folder);
  CHECK(inode(folder / "a.bin") == first);
  made.write("sub/b.bin", "BYTES");  // of the same size: the time tells
  fs::last_write_time(made.root() / "sub/b.bin", fs::last_write_time(made.root() / "sub/b.bin") + std::chrono::seconds(2));
  stage_files(made.root(), files, made.stage());
  CHECK(inode(folder / "a.bin") == first);
  CHECK(inode(folder / "sub/b.bin") != second);
  CHECK(read_file(folder / "sub/b.bin") == "BYTES");
  fs::resize_file(folder / "a.bin", 100);  // a damaged copy
  stage_files(made.root(), files, made.stage());
  CHECK(read_file(folder / "a.bin") == large);
  CHECK(parts_in(made.stage()) == 0);
}

TEST_CASE("what a killed process left is removed, and a missing original is named", "[stage]") {
  const MadeFolders made;
  made.write("a.bin", "bytes");
  const auto folder = stage_files(made.root(), made.files({"a.bin"}), made.stage());
  std::ofstream(folder / "a.bin.part") << "half";
  stage_files(made.root(), made.files({"a.bin"}), made.stage());
  CHECK(parts_in(made.stage()) == 0);
  CHECK_THROWS_WITH(stage_files(made.root(), made.files({"a.bin", "gone.bin"}), made.stage()), has("gone.bin"));
  std::ofstream(made.root() / "file") << "no folder";
  CHECK_THROWS_AS(stage_files(made.root(), made.files({"a.bin"}), made.root() / "file"), DataError);
}

TEST_CASE("more than fits is refused before anything is copied", "[stage]") {
  const MadeFolders made;
  made.write("sparse.bin", "");
  std::error_code error;
  const auto size = fs::space(made.root()).available + (uint64_t(1) << 30);
  fs::resize_file(made.root() / "sparse.bin", size, error);
  if (error) {
    std::printf("skipped: the file system allows no sparse file of %llu bytes\n", static_cast<unsigned long long>(size));
    return;
  }
  CHECK_THROWS_WITH(stage_files(made.root(), made.files({"sparse.bin"}), made.stage()), has("free, but the data need"));
  for (const auto& entry : fs::recursive_directory_iterator(made.stage())) CHECK((entry.is_directory() || entry.path().filename() == "lock"));
}

TEST_CASE("of several processes one copies and all find the copy", "[stage]") {
  const MadeFolders made;
  made.write("a.bin", std::string(16 << 20, 'y'));
  std::vector<pid_t> children;
  for (int i = 0; i < 4; ++i) {
    const pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
      int code = 1;
      try {
        code = fs::file_size(stage_files(made.root(), made.files({"a.bin"}), made.stage()) / "a.bin") == (16 << 20) ? 0 : 2;
      } catch (...) {
      }
      ::_exit(code);
    }
    children.push_back(child);
  }
  for (const pid_t child : children) {
    int status = -1;
    REQUIRE(::waitpid(child, &status, 0) == child);
    CHECK(status == 0);
  }
  CHECK(parts_in(made.stage()) == 0);
}

TEST_CASE("data sets say which files to stage", "[stage]") {
  const MadeFolders made;
  DataConfig config;
  config.dataset = [&] {
    Cifar100Config cifar;
    cifar.root = made.root().string();
    return cifar;
  }();
  CHECK(std::get<Cifar100Config>(staged_dataset(config)).root == made.root().string());  // data.stage is not set
  config.stage = made.stage().string();
  CHECK(std::get<Cifar100Config>(staged_dataset(config)).root == made.root().string());  // nothing is there: opening it will say so
  made.write("cifar-100-binary/train.bin", "records");
  made.write("cifar-100-binary/test.bin", "more");
  made.write("cifar-100-binary/readme.html", "not needed");
  const fs::path root = std::get<Cifar100Config>(staged_dataset(config)).root;
  CHECK(root.parent_path() == made.stage());
  CHECK(read_file(root / "cifar-100-binary/train.bin") == "records");
  CHECK(read_file(root / "cifar-100-binary/test.bin") == "more");
  CHECK(!fs::exists(root / "cifar-100-binary/readme.html"));
  config.dataset = ArrowsConfig{};
  CHECK_THROWS_WITH(staged_dataset(config), has("arrows"));
  config.dataset = FolderConfig{};
  CHECK_THROWS_AS(staged_dataset(config), ConfigError);
  config.dataset = ImagenetConfig{made.root().string()};
  CHECK_THROWS_WITH(staged_dataset(config), has("liere-data prepare imagenet"));
}

TEST_CASE("ImageNet's archives are staged with indices that name the copies", "[stage]") {
  const MadeFolders made;
  made.write("archives/val.tar", "0123456789");
  PictureIndex index;
  index.list.archive = made.root() / "archives/val.tar";
  index.list.class_names = {"first", "second"};
  index.list.add(1, "a.JPEG", 2, 3);
  stat_archive(index);
  fs::create_directories(made.root() / "set");
  write_file_atomically(made.root() / "set" / index_name(Split::kTest), format_picture_index(index));
  DataConfig config;
  config.dataset = ImagenetConfig{(made.root() / "set").string()};
  config.stage = made.stage().string();
  const fs::path root = std::get<ImagenetConfig>(staged_dataset(config)).root;
  const auto staged = read_picture_index(root / index_name(Split::kTest));  // compares size and time with the archive's
  CHECK(staged.list.archive == root / "val.tar");
  CHECK(read_file(staged.list.archive) == "0123456789");
  REQUIRE(staged.list.pictures.size() == 1);
  CHECK(staged.list.pictures[0].offset == 2);
}
