// Makes the official archives of ImageNet usable: checks their MD5, and either writes an index of the pictures in them (a few seconds to minutes, about 75 MB) or
// unpacks them into class folders (155 GB). ILSVRC2012_img_train.tar is a tar of one tar for each class; ILSVRC2012_img_val.tar is flat, its labels are in
// ILSVRC2012_devkit_t12.tar.gz.
#pragma once

#include <string>

namespace liere {

struct PrepareImagenetOptions {
  std::string from;          // folder with the three archives
  std::string root;          // the data set's; empty: `from`
  bool any_version = false;  // accept archives with other MD5 than the published ones, without computing it
  bool unpack = false;       // into root/train/CLASS and root/val/CLASS instead of an index
};

/// Prints what it did. What was done by an earlier call that was stopped is not done again. Throws DataError: an archive is missing, has another MD5, is damaged, or
/// train, val and devkit do not belong together; Error(kStoppedEarly) after a stop signal.
void prepare_imagenet(const PrepareImagenetOptions& options);

}  // namespace liere
