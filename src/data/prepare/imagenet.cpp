#include "data/prepare/imagenet.h"

#include <array>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <mutex>

#include "core/check.h"
#include "core/control_group.h"
#include "core/files.h"
#include "core/log.h"
#include "core/parallel.h"
#include "data/datasets/archive_bytes.h"
#include "data/prepare/archive_sum.h"
#include "data/prepare/imagenet_archives.h"

namespace liere {
namespace {

namespace fs = std::filesystem;

struct OfficialArchive {
  const char* name;
  const char* md5;
};
constexpr std::array<OfficialArchive, 3> kArchives = {{{"ILSVRC2012_devkit_t12.tar.gz", "fa75699e90414af021442c21a62c3abf"},
                                                       {"ILSVRC2012_img_val.tar", "29b22e2961454d5413ddabcf34fc5622"},
                                                       {"ILSVRC2012_img_train.tar", "1d675b47d978889d74fa0da5fadfb00e"}}};

std::array<fs::path, 3> find_archives(const fs::path& from) {
  std::array<fs::path, 3> paths;
  std::string missing;
  for (size_t i = 0; i < kArchives.size(); ++i) {
    paths[i] = from / kArchives[i].name;
    std::error_code ignored;
    if (!fs::is_regular_file(paths[i], ignored)) missing += (missing.empty() ? "" : ", ") + std::string(kArchives[i].name);
  }
  if (!missing.empty())
    throw DataError("Expected the official archives of ImageNet in " + fs::absolute(from).lexically_normal().string() + ", not there: " + missing +
                    ". They need an account at https://www.image-net.org/download.php; scripts/fetch-imagenet.sh fetches them from where yours are.");
  return paths;
}

void check_md5(const std::array<fs::path, 3>& archives, const fs::path& state) {
  for (size_t i = 0; i < archives.size(); ++i)
    if (const std::string found = archive_md5(archives[i], state); found != kArchives[i].md5)
      throw DataError(archives[i].string() + " has the MD5 " + found + ", published is " + kArchives[i].md5 +
                      ": it is damaged or another version. Fetch it again, or accept it with --any-version.");
}

/// The archive's path as the index names it: relative when it lies below the index's folder, so that the two can be moved together.
void write_index(PictureIndex index, const fs::path& root, Split split, const std::string& provenance) {
  const auto absolute = fs::weakly_canonical(index.list.archive), relative = absolute.lexically_relative(fs::weakly_canonical(root));
  index.list.archive = stays_below(relative.string()) ? relative : absolute;
  index.list.provenance = provenance;
  write_file_atomically(root / index_name(split), format_picture_index(index));
}

/// Without fsync for each of 1.3 million files: the size is compared when the command is run again.
void write_plainly(const fs::path& path, const std::string& bytes) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  file.close();
  if (!file) throw Error(ExitCode::kFailure, "cannot write " + path.string() + ". Check the folder, its permissions and free space (ImageNet needs 160 GB).");
}

/// Files that are there with the right size are from an earlier call and stay: each was put in place whole.
void unpack(PictureIndex index, const fs::path& root, Split split) {
  const fs::path folder = root / (split == Split::kTrain ? "train" : "val");
  index.list.title = folder.string();
  index.list.root = root;
  for (const auto& name : index.list.class_names) fs::create_directories(folder / name);
  const PictureList& list = index.list;
  const ArchiveBytes archive(list.archive);
  ProgressLine progress("unpacking " + list.archive.filename().string(), static_cast<int64_t>(list.pictures.size()));
  std::mutex mutex;
  int64_t done = 0;
  parallel_for(static_cast<int64_t>(list.pictures.size()), usable_processors(), [&](int64_t i) {
    stop_if_asked("while " + list.archive.filename().string() + " was unpacked", "run the same command again to go on");
    const auto& picture = list.pictures[i];
    const std::string name(list.name(picture));
    const fs::path path = folder / list.class_names[picture.label] / name.substr(name.rfind('/') + 1);
    std::error_code absent;
    if (fs::file_size(path, absent) != picture.length || absent) {
      const fs::path partial = path.string() + ".part";
      write_plainly(partial, archive.read(picture.offset, picture.length, name));
      fs::rename(partial, path);
    }
    const std::lock_guard lock(mutex);
    progress.update(++done, "pictures");
  });
  progress.finish();
}

}  // namespace

void prepare_imagenet(const PrepareImagenetOptions& options) {
  const fs::path from = options.from, root = options.root.empty() ? from : fs::path(options.root), state = root / "imagenet-prepare.state";
  const auto archives = find_archives(from);
  std::error_code error;
  fs::create_directories(root, error);
  if (error) throw DataError("The folder " + root.string() + " cannot be made: " + error.message() + "; name another one with --root.");
  if (!options.any_version) check_md5(archives, state);
  const Devkit devkit = read_devkit_archive(archives[0]);
  const PictureIndex train = index_train_archive(archives[2]), val = index_val_archive(archives[1], devkit, train.list.class_names);
  if (options.unpack) {
    unpack(val, root, Split::kTest);
    unpack(train, root, Split::kTrain);
    for (const Split split : {Split::kTrain, Split::kTest}) fs::remove(root / index_name(split), error);  // the folders are what is meant now
  } else {
    const auto provenance = [&](size_t i) { return options.any_version ? std::string("MD5 not compared when it was indexed") : "md5 " + std::string(kArchives[i].md5) + " (official)"; };
    write_index(val, root, Split::kTest, provenance(1));
    write_index(train, root, Split::kTrain, provenance(2));
  }
  fs::remove(state, error);
  std::printf("ImageNet is ready in %s: %s training and %s validation pictures of %s classes, %s. Use it with data.root=%s\n", root.c_str(),
              format_count(static_cast<int64_t>(train.list.pictures.size())).c_str(), format_count(static_cast<int64_t>(val.list.pictures.size())).c_str(),
              format_count(static_cast<int64_t>(train.list.class_names.size())).c_str(), options.unpack ? "unpacked" : "read from the archives in place", root.c_str());
}

}  // namespace liere
