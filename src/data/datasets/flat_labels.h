// The labels of a flat folder of validation pictures, from whichever list comes with it.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace liere {

/// Where the labels of the flat `val` may be: `root` is the data set's, `base` the folder that holds train and val.
struct FlatFolder {
  std::filesystem::path root, base, val;
  std::string title;
};

struct FlatLabels {
  std::vector<int64_t> labels;  // of each picture
  std::string list;             // name of the file that they come from
};

/// One label for each of `pictures` (file names in `val`, sorted): the place of its class in `class_names` (sorted). Throws DataError: no list; pictures without
/// label or labels without picture (up to five names and their number); a class that is none of `class_names`.
FlatLabels label_flat_folder(const FlatFolder& folder, const std::vector<std::string>& pictures, const std::vector<std::string>& class_names);

}  // namespace liere
