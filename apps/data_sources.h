// The commands of liere-data about files that are no data set yet: prepare (the archives that one is published in), series (DICOM files).
#pragma once

#include <CLI/CLI.hpp>

#include "data/dicom/look.h"
#include "data/prepare/imagenet.h"
#include "data/prepare/ucf101.h"
#include "data/prepare/volumes.h"

namespace liere {

struct SourceOptions {
  PrepareImagenetOptions imagenet;
  PrepareUcf101Options ucf101;
  PrepareVolumesOptions volumes;
  LookOptions look;
};

inline void add_volumes(CLI::App* command, PrepareVolumesOptions& options) {
  command->add_option("--root", options.root, "folder for manifest.json, the cached volumes, findings.json and contact sheets: data.root of the experiments")->required();
  command->add_option("--size", options.size, "of every cached volume: slices,rows,columns")->capture_default_str();
  command->add_option("--spacing", options.spacing, "grid (resampled to the size whatever it shows) or iso:MM (MM millimetres on all axes, cropped or padded)")->capture_default_str();
  command->add_option("--validation", options.validation, "share of the patients to choose by")->capture_default_str();
  command->add_option("--test", options.test, "share of the patients to report on")->capture_default_str();
  command->add_option("--folds", options.folds, "folds of the patients that are not in the test part, for data.fold")->capture_default_str();
  command->add_option("--seed", options.seed, "of the split")->capture_default_str();
  command->add_option("--salt-file", options.salt_file, "secret bytes for the hashes of identifiers (default: ROOT/salt, made when it is not there)");
  command->add_option("--workers", options.workers, "files and series read at once (default: one for each processor)");
  command->add_option("--show-file", options.show_file, "print the path of the file that findings.json calls by this hash, and do nothing else");
}

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
  CLI::App* rsna = prepare->add_subcommand("rsna", "RSNA 2019 intracranial haemorrhage: series of CT slices become labelled volumes, split by patients");
  rsna->add_option("--from", options.volumes.from, "folder or zip with stage_2_train/ and stage_2_train.csv; the zip is read in place")->required();
  CLI::App* volumes = prepare->add_subcommand("volumes", "any CT studies: series of DICOM slices become volumes, with labels or for prediction");
  volumes->add_option("--from", options.volumes.from, "folder, searched with its subfolders, or zip, read in place")->required();
  volumes->add_option("--labels", options.volumes.labels, "CSV: study (or series, patient), then a column of 0 and 1 for each label (default: none, all volumes in the test part)");
  for (CLI::App* command : {rsna, volumes}) add_volumes(command, options.volumes);
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
  const CLI::App& prepare = *app.get_subcommand("prepare");
  PrepareVolumesOptions volumes = options.volumes;
  volumes.rsna = prepare.got_subcommand("rsna");
  if (volumes.rsna || prepare.got_subcommand("volumes")) prepare_volumes(volumes);
  if (prepare.got_subcommand("imagenet")) prepare_imagenet(options.imagenet);
  if (prepare.got_subcommand("ucf101")) prepare_ucf101(options.ucf101);
}

}  // namespace liere
