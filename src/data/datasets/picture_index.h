// The index of pictures inside an archive, so that the archive is read where it is and nothing is unpacked. A text file, one for each split:
//   liere-picture-index 1
//   archive <TAB> path, absolute or relative to the index's folder       size <TAB> bytes       modified <TAB> nanoseconds since 1970
//   provenance <TAB> what is known of the archive's MD5
//   class <TAB> name          in label order
//   picture <TAB> label <TAB> offset <TAB> length <TAB> member path
//   digest <TAB> 16 hexadecimal digits: XXH64 of all that stands before this line
// An archive of another size or time than the index names is refused: its pictures may be elsewhere now.
#pragma once

#include "data/datasets/picture_list.h"

namespace liere {

constexpr std::string_view kIndexVersion = "liere-picture-index 1";

struct PictureIndex {
  PictureList list;  // archive, class_names, pictures, provenance
  uint64_t archive_bytes = 0;
  int64_t modified_ns = 0;
};

/// File name of a split's index in the data set's root.
std::string index_name(Split split);

std::string format_picture_index(const PictureIndex& index);
/// Appends the line with the digest.
std::string sign_picture_index(std::string text);
/// Throws DataError naming file and line: another version, a digest that is not that of the content, labels without class, ranges outside the archive or above
/// kMaxPictureBytes, members that leave the archive's root, two of one name. Looks at no other file.
PictureIndex parse_picture_index(std::string_view text, const std::string& path);

/// Size and time of the file as they stand in an index. Throws DataError when it is not there.
void stat_archive(PictureIndex& index);
/// Reads the index and compares the archive with it. Throws DataError naming the remedy.
PictureIndex read_picture_index(const std::filesystem::path& path);

}  // namespace liere
