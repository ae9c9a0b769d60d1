// What is in the archives of ImageNet: pictures with their labels, by reading the tar headers alone.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "data/datasets/picture_index.h"

namespace liere {

/// The devkit's labels of the validation pictures: ground truth (1-based IDs) and the class of each ID. Throws DataError when ILSVRC2012_devkit_t12.tar.gz lacks
/// them or is damaged.
struct Devkit {
  std::vector<std::string> wnids;
  std::vector<int64_t> ground_truth;
};
Devkit read_devkit_archive(const std::filesystem::path& archive);

/// Index of the tar of class tars: classes and pictures in byte order. With progress; stops between classes (kStoppedEarly).
PictureIndex index_train_archive(const std::filesystem::path& archive);
/// Index of the flat tar: labels by the numbers in the pictures' names. `class_names`: of the training archive. Throws DataError when the numbers of pictures and
/// labels differ, a name has another form, or the devkit names other classes.
PictureIndex index_val_archive(const std::filesystem::path& archive, const Devkit& devkit, const std::vector<std::string>& class_names);

}  // namespace liere
