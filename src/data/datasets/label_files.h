// The lists of labels that come with flat folders of validation pictures: Kaggle's LOC_val_solution.csv, Tiny ImageNet's val_annotations.txt, and the devkit's
// ILSVRC2012_validation_ground_truth.txt. All are text with LF or CRLF, with or without a byte order mark; all errors name file and line.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace liere {

/// Class of each picture, by its name without folder and ending.
using LabelsByName = std::map<std::string, std::string, std::less<>>;

/// "ImageId,PredictionString" and rows such as "ILSVRC2012_val_00000001,n01751748 111 108 433 269 " (class and box, once for each object). Rows that say the same
/// twice are accepted. Throws DataError: another first line, a row without class, two classes for one picture, a name that leaves the folder.
LabelsByName parse_kaggle_labels(std::string_view text, const std::string& path);

/// Rows such as "val_0.JPEG<TAB>n03444034<TAB>0<TAB>32<TAB>44<TAB>62". Throws DataError as above.
LabelsByName parse_tiny_imagenet_labels(std::string_view text, const std::string& path);

/// One ILSVRC2012_ID (1..classes) a line; line i belongs to ILSVRC2012_val_%08i. Throws DataError for anything else.
std::vector<int64_t> parse_ground_truth(std::string_view text, int64_t classes, const std::string& path);

}  // namespace liere
