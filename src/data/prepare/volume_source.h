// The files of a folder or of a zip archive read in place, alike: sorted by path, and called "file 0123456789abcdef" - a salted hash of the path -
// wherever a person reads of them, since paths of medical pictures may tell who the patient is.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "data/dicom/series.h"
#include "data/prepare/zip.h"
#include "data/volumes/split.h"

namespace liere {

struct SourceFile {
  std::string place;    // below the folder or in the archive, with '/'; never shown
  std::string path;     // what it is sorted and hashed by: its place, or the part of it that does not depend on how the set was packed; never shown
  uint64_t size = 0;    // bytes
  std::string version;  // changes with the file: time of its last change, or CRC-32 in the archive
  size_t member = 0;    // of the archive
};

class VolumeSource {
 public:
  /// A folder with its subfolders, or a zip. Throws DataError: not there, not readable, no zip.
  explicit VolumeSource(const std::filesystem::path& from);
  const std::vector<SourceFile>& files() const { return files_; }
  /// Throws DataError that names the file as `name`.
  std::string read(const SourceFile& file, const std::string& name, uint64_t limit) const;
  /// Its first bytes, at most `count`.
  std::string read_head(const SourceFile& file, const std::string& name, size_t count) const;
  /// Keeps the files that `wanted` accepts; it may shorten their paths, whose order must stay.
  template <typename Wanted>
  void keep(const Wanted& wanted) {
    std::vector<SourceFile> kept;
    for (auto& file : files_)
      if (wanted(file)) kept.push_back(std::move(file));
    files_ = std::move(kept);
  }
  /// For read_dicom_header and read_series; refers to this object.
  DicomEntry entry(const SourceFile& file, const Salt& salt) const;

 private:
  std::string root_;
  std::unique_ptr<ZipArchive> archive_;
  std::vector<SourceFile> files_;
};

/// "file 0123456789abcdef".
std::string neutral_name(const SourceFile& file, const Salt& salt);
/// 16 hexadecimal digits: another value for another path, size or version.
std::string state_of(const SourceFile& file, const Salt& salt);

}  // namespace liere
