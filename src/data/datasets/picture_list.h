// What a set of encoded pictures is before any of them is read: class names, and for each picture its label and where its bytes are - a file below the
// root, or a range of an archive. Every layout on disk (class folders, a flat validation set, indexed archives) becomes such a list, and one Dataset reads it.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "data/dataset.h"

namespace liere {

/// An encoded picture larger than this is refused: the largest of ImageNet has 15 MB.
constexpr uint64_t kMaxPictureBytes = uint64_t(256) << 20;

struct PictureList {
  struct Picture {
    uint64_t name_at;
    uint32_t name_size;
    int32_t label;
    uint64_t offset = 0, length = 0;  // in the archive; unused for files
  };

  std::string title;   // "ImageNet train"
  std::string layout;  // "class folders", "archive ILSVRC2012_img_val.tar"
  std::filesystem::path root;
  std::filesystem::path archive;  // holds all pictures; empty: they are files below root
  std::vector<std::string> class_names;
  std::vector<Picture> pictures;
  int64_t ignored = 0;        // files that are no pictures by their name
  int64_t official_size = 0, official_classes = 0;  // of the published split; 0: none is published
  std::string provenance;     // "md5 ... (official)"; empty: nothing is known

  /// `name`: the path within the root, or the member's path within the archive.
  void add(int64_t label, std::string_view name, uint64_t offset = 0, uint64_t length = 0);
  std::string_view name(const Picture& picture) const { return std::string_view(names_).substr(picture.name_at, picture.name_size); }

 private:
  std::string names_;  // of all pictures, one after the other: 1.3 million strings would cost twice as much
};

/// Opens the archive, if there is one, for the Dataset's lifetime; files are opened and closed for each sample. Throws DataError naming the split when the
/// list is empty or a class has no picture.
std::unique_ptr<Dataset> make_picture_dataset(PictureList list);

/// Whether a relative path stays below the folder it is relative to: not empty, not absolute, no "..", no zero byte.
bool stays_below(std::string_view path);

/// "a, b, c, d, e and 7 more".
std::string list_some(const std::vector<std::string>& names, size_t limit = 5);

}  // namespace liere
