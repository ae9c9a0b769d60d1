#include "data/prepare/volume_source.h"

#include <sys/stat.h>

#include <algorithm>
#include <fstream>

#include "core/check.h"
#include "core/files.h"

namespace liere {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kMaxSliceBytes = uint64_t(256) << 20;

std::vector<SourceFile> files_below(const fs::path& folder) {
  std::vector<SourceFile> files;
  std::error_code error;
  for (fs::recursive_directory_iterator it(folder, fs::directory_options::skip_permission_denied, error), end; it != end; it.increment(error)) {
    if (error) break;
    struct stat state {};
    if (::stat(it->path().c_str(), &state) != 0 || !S_ISREG(state.st_mode)) continue;
    const std::string path = it->path().lexically_relative(folder).generic_string();
    const std::string changed = std::to_string(state.st_mtim.tv_sec) + "." + std::to_string(state.st_mtim.tv_nsec);
    files.push_back({path, path, static_cast<uint64_t>(state.st_size), changed, 0});
  }
  if (error) throw DataError(folder.string() + " cannot be searched: " + error.message() + ".");
  return files;
}

}  // namespace

VolumeSource::VolumeSource(const fs::path& from) : root_(from.string()) {
  std::error_code ignored;
  if (fs::is_directory(from, ignored)) {
    files_ = files_below(from);
  } else if (fs::is_regular_file(from, ignored)) {
    archive_ = std::make_unique<ZipArchive>(from);
    const auto& members = archive_->members();
    for (size_t i = 0; i < members.size(); ++i)
      files_.push_back({members[i].name, members[i].name, members[i].size, std::to_string(members[i].crc), i});
  } else {
    throw DataError("Expected a folder with DICOM files or a zip archive of them at " + root_ + ", which is not there; name it with --from.");
  }
  std::sort(files_.begin(), files_.end(), [](const auto& a, const auto& b) { return a.path < b.path; });
}

std::string VolumeSource::read(const SourceFile& file, const std::string& name, uint64_t limit) const {
  if (file.size > limit) throw DataError(name + " has " + std::to_string(file.size) + " bytes, expected at most " + std::to_string(limit) + ".");
  if (archive_) return archive_->read(archive_->members()[file.member]);
  const std::string path = (fs::path(root_) / file.place).string();
  try {
    return read_file(path, limit);
  } catch (const DataError& error) {
    std::string sentence = error.what();
    for (size_t at; (at = sentence.find(path)) != std::string::npos;) sentence.replace(at, path.size(), name);
    throw DataError(sentence);
  }
}

std::string VolumeSource::read_head(const SourceFile& file, const std::string& name, size_t count) const {
  if (archive_) return archive_->read_head(archive_->members()[file.member], count);
  std::ifstream in((fs::path(root_) / file.place).string(), std::ios::binary);
  std::string head(std::min<uint64_t>(count, file.size), '\0');
  if (!in || !in.read(head.data(), static_cast<std::streamsize>(head.size()))) return read(file, name, kMaxSliceBytes);  // which says why
  return head;
}

DicomEntry VolumeSource::entry(const SourceFile& file, const Salt& salt) const {
  const std::string name = neutral_name(file, salt);
  return {name, [this, &file, name] { return read(file, name, kMaxSliceBytes); }, [this, &file, name](size_t count) { return read_head(file, name, count); }, file.size};
}

std::string neutral_name(const SourceFile& file, const Salt& salt) { return "file " + hashed_identifier(salt, "file", file.path); }

std::string state_of(const SourceFile& file, const Salt& salt) {
  return hashed_identifier(salt, "file state", file.path + '\0' + std::to_string(file.size) + '\0' + file.version);
}

}  // namespace liere
