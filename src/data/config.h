// Configuration of data: what the YAML key `data` holds; augment_config.h has `augment`.
#pragma once

#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "core/fields.h"
#include "data/augment_config.h"

namespace liere {

/// CIFAR-10 or CIFAR-100 in the official binary files.
struct CifarConfig {
  int64_t classes = 100;
  std::string root = "data/cifar100";
};
struct Cifar100Config : CifarConfig {
  static constexpr auto kind = "cifar100";
};
struct Cifar10Config : CifarConfig {
  static constexpr auto kind = "cifar10";
  Cifar10Config() : CifarConfig{10, "data/cifar10"} {}
};
template <class V> void fields(V& v, Cifar100Config& c) {
  v("root", c.root, "folder that holds train.bin and test.bin, or cifar-100-binary/ with them", not_identity());
}
template <class V> void fields(V& v, Cifar10Config& c) {
  v("root", c.root, "folder that holds data_batch_1.bin .. data_batch_5.bin and test_batch.bin, or cifar-10-batches-bin/ with them", not_identity());
}

/// How the arrows' directions are drawn. independent: each on its own (as the paper's figures suggest: naming the most frequent direction of eight arrows is right
/// in 44.2 % of pictures, which is what its encodings without spatial reasoning reach). balanced: all directions equally often, so that counting is worth no more than 25 %.
enum class ArrowDirections { kIndependent, kBalanced };
template <> struct EnumNames<ArrowDirections> {
  static constexpr std::pair<ArrowDirections, std::string_view> values[] = {{ArrowDirections::kIndependent, "independent"}, {ArrowDirections::kBalanced, "balanced"}};
};

/// The synthetic spatial task of the paper (section 5.5 of the ICML text): follow the "Y" to the arrow, name its direction. Four classes.
struct ArrowsConfig {
  static constexpr auto kind = "arrows";
  int64_t grid = 9;             // cells per side
  int64_t cell = 12;            // pixels per side of a cell
  int64_t arrows = 8;           // arrows in a picture, the answer among them
  std::string letters = "ABCDEY";  // letters drawn; the last must be Y
  ArrowDirections directions = ArrowDirections::kIndependent;
  int64_t train_size = 800000;
  int64_t test_size = 10000;
  uint64_t seed = 0;            // of the contents: the pictures do not change with the run's seed
};
template <class V> void fields(V& v, ArrowsConfig& c) {
  v("grid", c.grid, "cells along each side of the picture", between(3, 256));
  v("cell", c.cell, "pixels along each side of a cell", between(8, 64));
  v("arrows", c.arrows, "arrows in a picture: one is the answer, the rest distract", at_least(1));
  v("letters", c.letters, "letters in a picture; the Y among them points at the answer, the rest distract");
  v("directions", c.directions, "independent: each arrow's direction on its own; balanced: all four equally often, so that counting arrows does not help");
  v("train_size", c.train_size, "training pictures", between(1, 4294967295.0));
  v("test_size", c.test_size, "test pictures", between(1, 4294967295.0));
  v("seed", c.seed, "seed of the contents (independent of the run's seed)");
}

/// A generated task in one dimension: the distance of two markers among random symbols. A class per distance.
struct SequencesConfig {
  static constexpr auto kind = "sequences";
  int64_t length = 32;
  int64_t distances = 8;
  int64_t train_size = 32000;
  int64_t test_size = 2000;
  uint64_t seed = 0;  // of the contents: they do not change with the run's seed
};
template <class V> void fields(V& v, SequencesConfig& c) {
  v("length", c.length, "tokens of a sequence", between(2, 65536));
  v("distances", c.distances, "classes: the markers are 1 to this many places apart", between(2, 65535));
  v("train_size", c.train_size, "training sequences", between(1, 4294967295.0));
  v("test_size", c.test_size, "test sequences", between(1, 4294967295.0));
  v("seed", c.seed, "seed of the contents (independent of the run's seed)");
}

/// ImageNet (ILSVRC 2012) in any of the forms in which people have it; which one is found by looking.
struct ImagenetConfig {
  static constexpr auto kind = "imagenet";
  std::string root = "data/imagenet";
};
template <class V> void fields(V& v, ImagenetConfig& c) {
  v("root", c.root, "folder with train/ and val/ (val/ in class folders, or flat beside the devkit's or Kaggle's list of labels), with Kaggle's ILSVRC/, or with the indices of the archives that liere-data prepare imagenet writes", not_identity());
}

/// Any tree of pictures in which each class is a folder: train/CLASS/... and val/CLASS/... Tiny ImageNet's own form is one.
struct FolderConfig {
  static constexpr auto kind = "folder";
  std::string root = "data/tiny-imagenet-200";
};
template <class V> void fields(V& v, FolderConfig& c) {
  v("root", c.root, "folder with train/CLASS/... and val/CLASS/..., or with Tiny ImageNet's val/images and val/val_annotations.txt", not_identity());
}

/// How classes are numbered: by the byte order of their names, as the paper's release and torchvision do, or as classInd.txt numbers them. They differ in four classes.
enum class ClassOrder { kSorted, kOfficial };
template <> struct EnumNames<ClassOrder> {
  static constexpr std::pair<ClassOrder, std::string_view> values[] = {{ClassOrder::kSorted, "sorted"}, {ClassOrder::kOfficial, "official"}};
};

/// UCF101 (Soomro et al. 2012), or any videos listed in its form.
struct Ucf101Config {
  static constexpr auto kind = "ucf101";
  std::string root = "data/ucf101";
  std::optional<std::string> lists;
  int64_t split = 1;
  ClassOrder class_order = ClassOrder::kSorted;
  std::optional<std::string> cache;
};
template <class V> void fields(V& v, Ucf101Config& c) {
  v("root", c.root, "folder with the class folders of videos (in it, or in UCF-101/, videos/ or data/) and the official lists", not_identity());
  v("lists", c.lists, "folder with classInd.txt, trainlist0K.txt and testlist0K.txt (default: ucfTrainTestlist/ or annotations/ in root)", not_identity());
  v("split", c.split, "which of the three official splits", between(1, 3));
  v("class_order", c.class_order, "numbers of the classes: sorted (byte order of the names, as in the paper's release) or official (classInd.txt); four classes differ");
  v("cache", c.cache, "folder with decoded frames that liere-data prepare ucf101 --cache makes (default: videos are decoded each time)", not_identity());
}

/// Which labels of a volume are classes. any: the first of the manifest, yes or no; all: each a yes or no of its own.
enum class VolumeLabels { kAny, kAll };
template <> struct EnumNames<VolumeLabels> {
  static constexpr std::pair<VolumeLabels, std::string_view> values[] = {{VolumeLabels::kAny, "any"}, {VolumeLabels::kAll, "all"}};
};

/// CT volumes that liere-data prepare rsna or prepare volumes made.
struct VolumesConfig {
  static constexpr auto kind = "volumes";
  std::string root = "data/rsna";
  std::optional<int64_t> fold;
  VolumeLabels labels = VolumeLabels::kAny;
};
template <class V> void fields(V& v, VolumesConfig& c) {
  v("root", c.root, "folder that liere-data prepare rsna or prepare volumes made (manifest.json and volumes/)", not_identity());
  v("fold", c.fold, "validation is this fold of the manifest's, and training all others, in place of its validation part (the test part stays)", between(0, 999));
  v("labels", c.labels, "any (two classes: the first label, negative or positive) or all (every label a yes or no of its own)");
}

using DatasetConfig = std::variant<Cifar100Config, Cifar10Config, ArrowsConfig, ImagenetConfig, FolderConfig, Ucf101Config, VolumesConfig, SequencesConfig>;

/// The key `data`: the data set, by its kind, and what of it is trained on.
struct DataConfig {
  DatasetConfig dataset;
  double fraction = 1.0;   // of the training set: the data ablation of the paper
  int64_t holdout = 0;     // training samples kept for validation
  bool balance = false;    // classes equally often
  bool drop_last = false;  // leave out an epoch's incomplete last batch
  std::optional<std::string> stage;
};
template <class V> void fields(V& v, DataConfig& c) {
  v.flatten(c.dataset);
  v("fraction", c.fraction, "part of the training set that is used: the first entries of a permutation with seed 42, as the released code draws it", FieldRule{.low = 0, .high = 1, .low_open = true});
  v("holdout", c.holdout, "training samples, evenly from all classes and the same for every seed and fraction, that are kept out of training: evaluations during training and the best checkpoint use them, the test set is measured once at the end", at_least(0));
  v("balance", c.balance, "show every class equally often in each epoch: of large classes a random part, small ones repeated (by the label, with several labels by the first of them that the data set calls its label)");
  v("drop_last", c.drop_last, "leave out the incomplete last batch of an epoch");
  v("stage", c.stage, "folder on this node's own disk to which packed data (CIFAR's files, ImageNet's indexed archives) are copied once and read from (default: read where they are)", not_identity());
}

}  // namespace liere
