// Folders of pictures: which sub-folders there are and which pictures below each, in plain byte order of their paths, as os.walk and sorted() give them
// in the loaders people compare with. Read by several threads with readdir's file types, so that no file is looked at one by one.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace liere {

/// Whether the name ends as a picture's does (.jpg .jpeg .png .ppm .bmp .pgm .tif .tiff .webp in any case) and does not begin with a dot.
bool is_picture_name(std::string_view name);

struct FolderContent {
  std::vector<std::string> pictures;  // paths relative to the folder, sorted
  std::vector<std::string> folders;   // names of the sub-folders directly in it, sorted; those that begin with a dot are left out
  int64_t ignored = 0;                // other files
};

/// The folder alone (`deep` false), or with all that is below it. Links are followed: data are often linked together from several disks. Throws DataError with
/// errno's text, and when folders lie more than 8 deep (a link that leads back).
FolderContent list_folder(const std::filesystem::path& folder, bool deep);

/// list_folder(deep) for each of root/names; says how far it is when that takes longer than two seconds. Throws DataError also when one folder holds two
/// pictures whose names differ only behind the last dot: one of them is a copy.
std::vector<FolderContent> list_class_folders(const std::filesystem::path& root, const std::vector<std::string>& names, const std::string& title);

}  // namespace liere
