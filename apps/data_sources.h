// The commands of liere-data about files that are no data set yet: prepare (the archives that one is published in), series (DICOM files).
#pragma once

#include <CLI/CLI.hpp>

#include "data/dicom/look.h"
#include "data/prepare/imagenet.h"
#include "data/prepare/ucf101.h"

namespace liere {

struct SourceOptions {
  PrepareImagenetOptions imagenet;
  PrepareUcf101Options ucf101;
  LookOptions look;
};

inline void add_prepare(CLI::App* prepare, SourceOptions& options) {
  prepare->require_subcommand(1);
  CLI::App* imagenet = prepare->add_subcommand("imagenet", "check the official archives and index them where they are, or unpack them");
  imagenet->add_option("--from", options.imagenet.from, "folder with ILSVRC2012_img_train.tar, ILSVRC2012_img_val.tar and ILSVRC2012_devkit_t12.tar.gz")->required();
  imagenet->add_option("--root", options.imagenet.root, "folder for the indices or the pictures: data.root of the experiments (default: the folder of the archives)");
  imagenet->add_flag("--any-version", options.imagenet.any_version, "accept archives without comparing their MD5 with the published ones");
  imagenet->add_flag("--unpack", options.imagenet.unpack, "unpack into train/ and val/ with a folder for each class (another 155 GB)");
  CLI::App* ucf101 = prepare->add_subcommand("ucf101", "unpack UCF101.rar and the lists, decode every video once and note its frame count");
  ucf101->add_option("--from", options.ucf101.from, "UCF101.rar, a folder with it, or a folder with the unpacked videos (used where they are)")->required();
  ucf101->add_option("--root", options.ucf101.root, "folder for the videos (7 GB) and the lists: data.root of the experiments (default: the folder of the archive)");
  ucf101->add_option("--lists", options.ucf101.lists, "UCF101TrainTestSplits-RecognitionTask.zip or a folder with the lists (default: beside the archive, or in the root)");
  ucf101->add_option("--cache", options.ucf101.cache, "keep the decoded frames of every video in this folder: data.cache of the experiments (about 270 GiB for all of UCF101)");
}

inline void add_series(CLI::App* series, LookOptions& options) {
  series->add_option("--from", options.from, "folder with DICOM files, searched with its subfolders")->required();
  series->add_option("--output", options.output, "folder for a contact sheet of each series (default: none)");
  series->add_option("--level", options.level, "level of the pictures' window, HU")->capture_default_str();
  series->add_option("--width", options.width, "width of the pictures' window, HU")->check(CLI::PositiveNumber)->capture_default_str();
  series->add_option("--json", options.json, "write the figures to this file too");
}

inline void add_source_commands(CLI::App& app, SourceOptions& options) {
  add_prepare(app.add_subcommand("prepare", "make a data set of the archives that it is published in"), options);
  add_series(app.add_subcommand("series", "what a folder of DICOM files holds: series of CT slices, what is odd about them, contact sheets"), options.look);
}

/// Runs the one of these commands that was given, if one was.
inline void run_source_commands(const CLI::App& app, const SourceOptions& options) {
  if (app.got_subcommand("series")) look_at_series(options.look);
  if (!app.got_subcommand("prepare")) return;
  if (app.get_subcommand("prepare")->got_subcommand("imagenet")) prepare_imagenet(options.imagenet);
  else prepare_ucf101(options.ucf101);
}

}  // namespace liere
