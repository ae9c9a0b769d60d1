// Configuration of data and augmentation: what the YAML keys `data` and `augment` hold.
#pragma once

#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "core/fields.h"

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

using DatasetConfig = std::variant<Cifar100Config, Cifar10Config, ArrowsConfig, ImagenetConfig, FolderConfig>;

/// The key `data`: the data set, by its kind, and what of it is trained on.
struct DataConfig {
  DatasetConfig dataset;
  double fraction = 1.0;   // of the training set: the data ablation of the paper
  int64_t holdout = 0;     // training samples kept for validation
  bool drop_last = false;  // leave out an epoch's incomplete last batch
  std::optional<std::string> stage;
};
template <class V> void fields(V& v, DataConfig& c) {
  v.flatten(c.dataset);
  v("fraction", c.fraction, "part of the training set that is used: the first entries of a permutation with seed 42, as the released code draws it", FieldRule{.low = 0, .high = 1, .low_open = true});
  v("holdout", c.holdout, "training samples, evenly from all classes and the same for every seed and fraction, that are kept out of training: evaluations during training and the best checkpoint use them, the test set is measured once at the end", at_least(0));
  v("drop_last", c.drop_last, "leave out the incomplete last batch of an epoch");
  v("stage", c.stage, "folder on this node's own disk to which packed data (CIFAR's files, ImageNet's indexed archives) are copied once and read from (default: read where they are)", not_identity());
}

enum class NormalizationKind { kCifar, kCifar100, kImagenet, kHalf };
template <> struct EnumNames<NormalizationKind> {
  static constexpr std::pair<NormalizationKind, std::string_view> values[] = {
      {NormalizationKind::kCifar, "cifar"}, {NormalizationKind::kCifar100, "cifar100"}, {NormalizationKind::kImagenet, "imagenet"}, {NormalizationKind::kHalf, "half"}};
};
enum class RandAugmentKind { kNone, kReleased, kTorchvision };
template <> struct EnumNames<RandAugmentKind> {
  static constexpr std::pair<RandAugmentKind, std::string_view> values[] = {
      {RandAugmentKind::kNone, "none"}, {RandAugmentKind::kReleased, "released"}, {RandAugmentKind::kTorchvision, "torchvision"}};
};
enum class ResizeFilter { kBilinear, kBicubic };
template <> struct EnumNames<ResizeFilter> {
  static constexpr std::pair<ResizeFilter, std::string_view> values[] = {{ResizeFilter::kBilinear, "bilinear"}, {ResizeFilter::kBicubic, "bicubic"}};
};

struct RandAugmentConfig {
  RandAugmentKind kind = RandAugmentKind::kNone;
  int64_t operations = 2;  // n
  double magnitude = 14;   // m of 30 (released) or bin of 31 (torchvision)
};
template <class V> void fields(V& v, RandAugmentConfig& c) {
  v("kind", c.kind, "definition: none, released (the 16 operations of the paper's release) or torchvision (14 operations)");
  v("operations", c.operations, "operations per picture, drawn with replacement", between(0, 16));
  v("magnitude", c.magnitude, "strength of each operation, 0..30", between(0, 30));
}

/// Strengths of torchvision's ColorJitter; 0 leaves a step out.
struct ColorJitterConfig {
  double brightness = 0, contrast = 0, saturation = 0, hue = 0;
};
template <class V> void fields(V& v, ColorJitterConfig& c) {
  v("brightness", c.brightness, "factor drawn from 1 - s to 1 + s (not below 0)", between(0, 10));
  v("contrast", c.contrast, "factor drawn from 1 - s to 1 + s (not below 0)", between(0, 10));
  v("saturation", c.saturation, "factor drawn from 1 - s to 1 + s (not below 0)", between(0, 10));
  v("hue", c.hue, "shift drawn from -s to s of a full turn", between(0, 0.5));
}

/// A box of a random share of the area and a random aspect, resized to the input size.
struct RandomResizedCropConfig {
  bool enabled = false;
  std::vector<double> scale = {0.08, 1.0};
  std::vector<double> ratio = {3.0 / 4.0, 4.0 / 3.0};
};
template <class V> void fields(V& v, RandomResizedCropConfig& c) {
  v("enabled", c.enabled, "crop at random and resize to the input size, in place of resizing the whole picture and of crop_padding");
  v("scale", c.scale, "smallest and largest share of the picture's area");
  v("ratio", c.ratio, "smallest and largest aspect, width over height");
}

/// Where the crop stands: after the operations on the whole picture, as the paper's release has it, or before them, where only the crop need be decoded.
enum class AugmentOrder { kReleased, kCropFirst };
template <> struct EnumNames<AugmentOrder> {
  static constexpr std::pair<AugmentOrder, std::string_view> values[] = {{AugmentOrder::kReleased, "released"}, {AugmentOrder::kCropFirst, "crop_first"}};
};

/// What evaluation shows of a picture whose size is not the input's.
enum class EvaluationView { kResize, kCentreCrop, kReleased };
template <> struct EnumNames<EvaluationView> {
  static constexpr std::pair<EvaluationView, std::string_view> values[] = {
      {EvaluationView::kResize, "resize"}, {EvaluationView::kCentreCrop, "centre_crop"}, {EvaluationView::kReleased, "released"}};
};
struct EvaluationViewConfig {
  EvaluationView kind = EvaluationView::kResize;
  double crop_ratio = 0.875;
};
template <class V> void fields(V& v, EvaluationViewConfig& c) {
  v("kind", c.kind, "resize (the whole picture to the input size), centre_crop (the short side to input size / crop_ratio, then the centre) or released (the centre of the unresized picture, padded with zeros where it is smaller, as the paper's release evaluates ImageNet)");
  v("crop_ratio", c.crop_ratio, "of centre_crop: input size over short side; 0.875 resizes the short side to 256 for an input of 224", FieldRule{.low = 0.1, .high = 1});
}

/// Augmentation of training pictures, and what evaluation shows; both share the normalisation and the resize filter.
struct AugmentConfig {
  RandAugmentConfig rand_augment;
  bool three_augment = false;
  ColorJitterConfig color_jitter;
  RandomResizedCropConfig random_resized_crop;
  AugmentOrder order = AugmentOrder::kReleased;
  int64_t crop_padding = 0;    // zeros around the picture before a random crop of the input size
  double flip = 0.0;           // probability of a horizontal flip
  double erasing = 0.0;        // probability of random erasing
  NormalizationKind normalization = NormalizationKind::kCifar;
  ResizeFilter resize = ResizeFilter::kBilinear;
  EvaluationViewConfig evaluation;
};
template <class V> void fields(V& v, AugmentConfig& c) {
  v("rand_augment", c.rand_augment, "RandAugment");
  v("three_augment", c.three_augment, "DeiT III's 3-Augment after it: one of grey, solarize and Gaussian blur");
  v("color_jitter", c.color_jitter, "torchvision's colour jitter after these, its steps in random order (strengths; 0 leaves a step out)");
  v("random_resized_crop", c.random_resized_crop, "a random box of the picture, resized to the input size");
  v("order", c.order, "released (RandAugment, 3-Augment and colour jitter on the whole picture, then the crop, as in the paper's release) or crop_first (crop and resize, then these: quicker, as only the crop is decoded)");
  v("crop_padding", c.crop_padding, "zero pixels added on all sides before a random crop of the input size (0: no crop)", between(0, 64));
  v("flip", c.flip, "probability of a horizontal flip", between(0, 1));
  v("erasing", c.erasing, "probability of random erasing: a box of the normalised picture becomes N(0, 1) noise", between(0, 1));
  v("normalization", c.normalization, "mean and standard deviation: cifar (the release's figures, used by the paper for CIFAR-100 and ImageNet), cifar100 (the true ones), imagenet, half (0.5 / 0.5)");
  v("resize", c.resize, "antialiased filter where a picture must be resized: bilinear or bicubic");
  v("evaluation", c.evaluation, "what evaluation shows of a picture whose size is not the input's");
}

}  // namespace liere
