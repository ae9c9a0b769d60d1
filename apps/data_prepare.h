// liere-data prepare: the options of making a data set from the archives that it is published in.
#pragma once

#include <CLI/CLI.hpp>

#include "data/prepare/imagenet.h"

namespace liere {

inline void add_prepare(CLI::App* prepare, PrepareImagenetOptions& options) {
  CLI::App* imagenet = prepare->add_subcommand("imagenet", "check the official archives and index them where they are, or unpack them");
  prepare->require_subcommand(1);
  imagenet->add_option("--from", options.from, "folder with ILSVRC2012_img_train.tar, ILSVRC2012_img_val.tar and ILSVRC2012_devkit_t12.tar.gz")->required();
  imagenet->add_option("--root", options.root, "folder for the indices or the pictures: data.root of the experiments (default: the folder of the archives)");
  imagenet->add_flag("--any-version", options.any_version, "accept archives without comparing their MD5 with the published ones");
  imagenet->add_flag("--unpack", options.unpack, "unpack into train/ and val/ with a folder for each class (another 155 GB)");
}

}  // namespace liere
