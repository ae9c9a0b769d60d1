#include "data/datasets/class_folders.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <memory>
#include <mutex>
#include <optional>
#include <unordered_map>

#include "core/check.h"
#include "core/log.h"
#include "core/parallel.h"

namespace liere {
namespace {

constexpr int kMaxDepth = 8;
constexpr int kScanThreads = 8;  // they wait for the file system, not for the processor

[[noreturn]] void fail(const std::filesystem::path& folder) { throw DataError("cannot read the folder " + folder.string() + ": " + std::strerror(errno) + "."); }

enum class EntryKind { kFile, kFolder, kOther };

EntryKind kind_of(DIR* folder, const dirent& entry, const std::filesystem::path& path) {
  if (entry.d_type == DT_REG) return EntryKind::kFile;
  if (entry.d_type == DT_DIR) return EntryKind::kFolder;
  if (entry.d_type != DT_LNK && entry.d_type != DT_UNKNOWN) return EntryKind::kOther;
  struct stat status = {};
  if (::fstatat(::dirfd(folder), entry.d_name, &status, 0) != 0)
    throw DataError("cannot read " + (path / entry.d_name).string() + ": " + std::strerror(errno) + (entry.d_type == DT_LNK ? "; the link leads nowhere." : "."));
  return S_ISREG(status.st_mode) ? EntryKind::kFile : S_ISDIR(status.st_mode) ? EntryKind::kFolder : EntryKind::kOther;
}

void list(const std::filesystem::path& folder, const std::string& prefix, bool deep, int depth, FolderContent& content) {
  if (depth > kMaxDepth) throw DataError(folder.string() + " lies more than " + std::to_string(kMaxDepth) + " folders deep: is there a link that leads back?");
  const std::unique_ptr<DIR, int (*)(DIR*)> opened(::opendir(folder.c_str()), ::closedir);
  if (!opened) fail(folder);
  std::vector<std::string> below;
  for (;;) {
    errno = 0;
    const dirent* entry = ::readdir(opened.get());
    if (!entry && errno != 0) fail(folder);
    if (!entry) break;
    const std::string name = entry->d_name;
    if (name == "." || name == "..") continue;
    switch (kind_of(opened.get(), *entry, folder)) {
      case EntryKind::kFolder:
        if (name[0] != '.') below.push_back(name);
        break;
      case EntryKind::kFile:
        if (is_picture_name(name)) content.pictures.push_back(prefix + name);
        else ++content.ignored;
        break;
      case EntryKind::kOther: ++content.ignored;
    }
  }
  if (depth == 0) content.folders = below;
  if (!deep) return;
  for (const auto& name : below) list(folder / name, prefix + name + "/", true, depth + 1, content);
}

void refuse_copies(const std::filesystem::path& folder, const FolderContent& content) {
  std::unordered_map<std::string_view, std::string_view> seen;
  for (const std::string_view picture : content.pictures) {
    const auto [other, fresh] = seen.emplace(picture.substr(0, picture.rfind('.')), picture);
    if (!fresh)
      throw DataError(folder.string() + " holds both " + std::string(other->second) + " and " + std::string(picture) +
                      ", expected each picture once; remove the one that is a copy.");
  }
}

}  // namespace

bool is_picture_name(std::string_view name) {
  static constexpr std::array<std::string_view, 9> kEndings = {"jpg", "jpeg", "png", "ppm", "bmp", "pgm", "tif", "tiff", "webp"};
  const size_t dot = name.rfind('.');
  if (dot == std::string_view::npos || name[0] == '.' || name.size() - dot > 5) return false;
  std::string ending(name.substr(dot + 1));
  for (char& c : ending)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
  return std::find(kEndings.begin(), kEndings.end(), ending) != kEndings.end();
}

FolderContent list_folder(const std::filesystem::path& folder, bool deep) {
  FolderContent content;
  list(folder, "", deep, 0, content);
  std::sort(content.pictures.begin(), content.pictures.end());
  std::sort(content.folders.begin(), content.folders.end());
  return content;
}

std::vector<FolderContent> list_class_folders(const std::filesystem::path& root, const std::vector<std::string>& names, const std::string& title) {
  std::vector<FolderContent> contents(names.size());
  const auto start = std::chrono::steady_clock::now();
  std::mutex mutex;
  std::optional<ProgressLine> progress;
  int64_t done = 0, pictures = 0;
  parallel_for(static_cast<int64_t>(names.size()), kScanThreads, [&](int64_t i) {
    contents[i] = list_folder(root / names[i], true);
    refuse_copies(root / names[i], contents[i]);
    const std::lock_guard lock(mutex);
    ++done;
    pictures += static_cast<int64_t>(contents[i].pictures.size());
    if (!progress && std::chrono::steady_clock::now() - start > std::chrono::seconds(2)) progress.emplace(title + ": reading folders", static_cast<int64_t>(names.size()), done);
    if (progress) progress->update(done, format_count(pictures) + " pictures");
  });
  if (progress) progress->finish();
  return contents;
}

}  // namespace liere
