#include "data/prepare/imagenet_archives.h"

#include <zlib.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <mutex>

#include "core/check.h"
#include "core/log.h"
#include "core/parallel.h"
#include "data/datasets/archive_bytes.h"
#include "data/datasets/class_folders.h"
#include "data/datasets/class_table.h"
#include "data/datasets/label_files.h"
#include "data/prepare/archive_sum.h"
#include "data/prepare/tar.h"

namespace liere {
namespace {

constexpr size_t kMaxDevkit = size_t(256) << 20;
constexpr int kIndexThreads = 8;  // each waits for the disk at the next header

ReadAt reader(const ArchiveBytes& file, const std::string& name) {
  return [&file, name](uint64_t offset, char* bytes, size_t size) { file.read_into(offset, bytes, size, name); };
}

std::string gunzip(const std::filesystem::path& path) {
  const std::unique_ptr<gzFile_s, int (*)(gzFile)> file(::gzopen(path.c_str(), "rb"), ::gzclose);
  if (!file) throw DataError("cannot read " + path.string() + ": " + std::strerror(errno) + ".");
  std::string content;
  for (;;) {
    const size_t filled = content.size();
    content.resize(filled + (size_t(1) << 20));
    const int got = ::gzread(file.get(), content.data() + filled, 1u << 20);
    int error = Z_OK;
    ::gzerror(file.get(), &error);
    if (got < 0 || (error != Z_OK && error != Z_STREAM_END)) throw DataError(path.string() + " cannot be unpacked: it is damaged or was cut; fetch it again.");
    content.resize(filled + static_cast<size_t>(got));
    if (got == 0) return content;
    if (content.size() > kMaxDevkit) throw DataError(path.string() + " unpacks to more than " + format_bytes(kMaxDevkit) + ", which no devkit does; fetch it again.");
  }
}

PictureIndex start_index(const std::filesystem::path& archive, std::vector<std::string> class_names) {
  PictureIndex index;
  index.list.archive = archive;
  index.list.class_names = std::move(class_names);
  stat_archive(index);
  return index;
}

void check_size(const TarMember& member, const std::string& archive) {
  if (member.size == 0 || member.size > kMaxPictureBytes)
    throw DataError(archive + ": expected a picture of 1.." + std::to_string(kMaxPictureBytes) + " bytes, found " + member.name + " with " + std::to_string(member.size) + "; fetch the archive again.");
}

/// Sorted, and each name once.
void sort_members(std::vector<TarMember>& members, const std::string& archive) {
  std::sort(members.begin(), members.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
  const auto twice = std::adjacent_find(members.begin(), members.end(), [](const auto& a, const auto& b) { return a.name == b.name; });
  if (twice != members.end()) throw DataError(archive + " holds " + twice->name + " twice; fetch the archive again.");
}

}  // namespace

Devkit read_devkit_archive(const std::filesystem::path& archive) {
  const std::string content = gunzip(archive), path = archive.string();
  const auto read = [&](uint64_t offset, char* bytes, size_t size) { std::memcpy(bytes, content.data() + offset, size); };
  std::string truth, meta;
  for (const auto& member : list_tar(read, 0, content.size(), path)) {
    const std::string file = member.name.substr(member.name.rfind('/') + 1);
    if (file == "ILSVRC2012_validation_ground_truth.txt") truth = content.substr(member.offset, member.size);
    if (file == "meta.mat") meta = content.substr(member.offset, member.size);
  }
  if (truth.empty() || meta.empty())
    throw DataError(path + ": expected ILSVRC2012_validation_ground_truth.txt and meta.mat in it, " + (truth.empty() ? "the first" : "the second") + " is missing; fetch ILSVRC2012_devkit_t12.tar.gz again.");
  Devkit devkit;
  devkit.wnids = parse_meta_mat(meta, path + ":meta.mat");
  devkit.ground_truth = parse_ground_truth(truth, static_cast<int64_t>(devkit.wnids.size()), path + ":ILSVRC2012_validation_ground_truth.txt");
  return devkit;
}

PictureIndex index_train_archive(const std::filesystem::path& archive) {
  const ArchiveBytes file(archive);
  PictureIndex index = start_index(archive, {});
  const std::string path = archive.string();
  auto classes = list_tar(reader(file, path), 0, index.archive_bytes, path);
  std::erase_if(classes, [](const TarMember& member) { return !member.name.ends_with(".tar"); });
  sort_members(classes, path);
  if (classes.empty()) throw DataError(path + ": expected a tar archive of one tar archive for each class, found none in it; fetch ILSVRC2012_img_train.tar again.");

  std::vector<std::vector<TarMember>> pictures(classes.size());
  ProgressLine progress("index of " + archive.filename().string(), static_cast<int64_t>(classes.size()));
  std::mutex mutex;
  int64_t done = 0;
  parallel_for(static_cast<int64_t>(classes.size()), kIndexThreads, [&](int64_t c) {
    stop_if_asked("while " + archive.filename().string() + " was indexed", "run the same command again");
    const auto& inner = classes[c];
    const std::string inner_path = path + ":" + inner.name;
    pictures[c] = list_tar(reader(file, inner_path), inner.offset, inner.offset + inner.size, inner_path);
    std::erase_if(pictures[c], [](const TarMember& member) { return !is_picture_name(member.name.substr(member.name.rfind('/') + 1)); });
    sort_members(pictures[c], inner_path);
    if (pictures[c].empty()) throw DataError(inner_path + " holds no pictures; fetch the archive again.");
    for (const auto& member : pictures[c]) check_size(member, inner_path);
    const std::lock_guard lock(mutex);
    progress.update(++done, "classes");
  });
  progress.finish();
  for (size_t c = 0; c < classes.size(); ++c) {
    const std::string name = classes[c].name.substr(0, classes[c].name.size() - 4);
    index.list.class_names.push_back(name);
    for (const auto& member : pictures[c]) index.list.add(static_cast<int64_t>(c), name + "/" + member.name, member.offset, member.size);
  }
  return index;
}

PictureIndex index_val_archive(const std::filesystem::path& archive, const Devkit& devkit, const std::vector<std::string>& class_names) {
  std::vector<int64_t> label_of_id;
  for (const auto& wnid : devkit.wnids) {
    const auto place = std::lower_bound(class_names.begin(), class_names.end(), wnid);
    if (place == class_names.end() || *place != wnid) throw DataError("The devkit names the class " + wnid + ", for which the training archive has no pictures; the archives do not belong together.");
    label_of_id.push_back(place - class_names.begin());
  }
  if (label_of_id.size() != class_names.size())
    throw DataError("The training archive has " + std::to_string(class_names.size()) + " classes, the devkit " + std::to_string(label_of_id.size()) + "; the archives do not belong together.");
  const ArchiveBytes file(archive);
  PictureIndex index = start_index(archive, class_names);
  const std::string path = archive.string();
  auto members = list_tar(reader(file, path), 0, index.archive_bytes, path);
  std::erase_if(members, [](const TarMember& member) { return !is_picture_name(member.name.substr(member.name.rfind('/') + 1)); });
  sort_members(members, path);
  if (members.size() != devkit.ground_truth.size())
    throw DataError(path + ": expected a picture for each of the devkit's " + std::to_string(devkit.ground_truth.size()) + " labels, found " + std::to_string(members.size()) + "; fetch the archives again.");
  for (size_t i = 0; i < members.size(); ++i) {
    check_size(members[i], path);
    std::string digits = std::to_string(i + 1);
    digits.insert(0, digits.size() < 8 ? 8 - digits.size() : 0, '0');
    const std::string expected = "ILSVRC2012_val_" + digits + ".JPEG", found = members[i].name.substr(members[i].name.rfind('/') + 1);
    if (found != expected) throw DataError(path + ": expected " + expected + " in place " + std::to_string(i + 1) + ", found " + members[i].name + "; fetch the archive again.");
    index.list.add(label_of_id[devkit.ground_truth[i] - 1], members[i].name, members[i].offset, members[i].size);
  }
  return index;
}

}  // namespace liere
