// ImageNet (ILSVRC 2012: Russakovsky et al. 2015, https://www.image-net.org) as people have it on their disks, and any other tree of class folders. Looked for in
// this order, below the root:
//   imagenet-train.index, imagenet-val.index     the official archives, read in place (liere-data prepare imagenet)
//   ILSVRC/Data/CLS-LOC/{train,val}              Kaggle's copy; val/ is flat, LOC_val_solution.csv in the root has its labels
//   train/CLASS/..., val/CLASS/...               class folders, Tiny ImageNet's train/CLASS/images/ among them
//   val/*.JPEG                                   the flat validation set, with Kaggle's list or the devkit's ground truth and meta.mat
//   val/images/ + val/val_annotations.txt        Tiny ImageNet's own form
// Labels are the places of the train folders in byte order of their names, which is how ImageFolder of torchvision has them.
#pragma once

#include "data/config.h"
#include "data/dataset.h"

namespace liere {

/// kTest is the validation set: ImageNet's test labels are not public. Throws DataError, each with a remedy: nothing of this is there; classes of train and val
/// differ (up to five names); a class is empty; a picture is there twice, has no label, two labels, or a label for which there is no class; a label has no picture.
std::unique_ptr<Dataset> make_imagenet(const ImagenetConfig& config, Split split);
std::unique_ptr<Dataset> make_folder(const FolderConfig& config, Split split);

}  // namespace liere
