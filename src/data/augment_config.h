// Configuration of augmentation: what the YAML key `augment` holds.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/fields.h"

namespace liere {

enum class NormalizationKind { kCifar, kCifar100, kImagenet, kHalf };
template <> struct EnumNames<NormalizationKind> {
  static constexpr std::pair<NormalizationKind, std::string_view> values[] = {
      {NormalizationKind::kCifar, "cifar"}, {NormalizationKind::kCifar100, "cifar100"}, {NormalizationKind::kImagenet, "imagenet"}, {NormalizationKind::kHalf, "half"}};
};
enum class RandAugmentKind { kNone, kReleased, kTorchvision, kIncreasing };
template <> struct EnumNames<RandAugmentKind> {
  static constexpr std::pair<RandAugmentKind, std::string_view> values[] = {
      {RandAugmentKind::kNone, "none"}, {RandAugmentKind::kReleased, "released"}, {RandAugmentKind::kTorchvision, "torchvision"},
      {RandAugmentKind::kIncreasing, "increasing"}};
};
enum class ResizeFilter { kBilinear, kBicubic };
template <> struct EnumNames<ResizeFilter> {
  static constexpr std::pair<ResizeFilter, std::string_view> values[] = {{ResizeFilter::kBilinear, "bilinear"}, {ResizeFilter::kBicubic, "bicubic"}};
};

struct RandAugmentConfig {
  RandAugmentKind kind = RandAugmentKind::kNone;
  int64_t operations = 2;  // n
  double magnitude = 14;   // m of 30 (released), bin of 31 (torchvision), or m of 10 (increasing)
  double deviation = 0;    // of increasing
  double probability = 1;  // of increasing
};
template <class V> void fields(V& v, RandAugmentConfig& c) {
  v("kind", c.kind, "definition: none, released (the 16 operations of the paper's release), torchvision (14 operations) or increasing (timm's 15 operations rand-mM-nN-mstdS-inc1, bicubic, which the release uses on clips)");
  v("operations", c.operations, "operations per picture, drawn with replacement", between(0, 16));
  v("magnitude", c.magnitude, "strength of each operation: 0..30, of increasing 0..10", between(0, 30));
  v("deviation", c.deviation, "of increasing: standard deviation of each operation's magnitude, cut to 0..10 (mstd)", between(0, 10));
  v("probability", c.probability, "of increasing: probability that a drawn operation is applied", between(0, 1));
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
  v("kind", c.kind, "resize (the whole picture to the input size), centre_crop (the short side to input size / crop_ratio, then the centre) or released (the centre of the unresized picture, padded with zeros where it is smaller, as the paper's release evaluates ImageNet); without meaning for clips, which have augment.clip.crops");
  v("crop_ratio", c.crop_ratio, "of centre_crop: input size over short side; 0.875 resizes the short side to 256 for an input of 224", FieldRule{.low = 0.1, .high = 1});
}

/// Which frames of a video training shows. released: the release's evenly spaced positions over clip_length * rate frames from a random end, truncated, which makes the
/// stride 32/7 where 4 is meant; stride: exactly every rate-th frame from a random start.
enum class ClipSampling { kReleased, kStride };
template <> struct EnumNames<ClipSampling> {
  static constexpr std::pair<ClipSampling, std::string_view> values[] = {{ClipSampling::kReleased, "released"}, {ClipSampling::kStride, "stride"}};
};

/// Clips of videos: their length is the first axis of model.input_size.
struct ClipSamplingConfig {
  int64_t rate = 4;
  ClipSampling sampling = ClipSampling::kReleased;
  int64_t segments = 5;
  int64_t crops = 3;
};
template <class V> void fields(V& v, ClipSamplingConfig& c) {
  v("rate", c.rate, "frames from one frame of a clip to the next", between(1, 64));
  v("sampling", c.sampling, "frames of training clips: released (evenly spaced over clip length * rate frames, ends included: 32/7 apart for 8 frames at rate 4) or stride (exactly `rate` apart; evaluation always is)");
  v("segments", c.segments, "evaluation: clips per video, evenly spread over it", between(1, 64).not_identity());
  v("crops", c.crops, "evaluation: crops per clip along the longer side", between(1, 16).not_identity());
}

/// CT volumes in Hounsfield units: one draw for all slices, each part off by default.
struct VolumeAugmentConfig {
  double rotation = 0;
  std::vector<double> scale = {1, 1};
  double shift = 0;
  double flip = 0;
  double window_level = 0, window_width = 0;
  double noise = 0;
  bool operator==(const VolumeAugmentConfig&) const = default;
};
template <class V> void fields(V& v, VolumeAugmentConfig& c) {
  v("rotation", c.rotation, "turn in the plane of the slices, drawn from -r to r degrees", between(0, 180));
  v("scale", c.scale, "smallest and largest magnification in the plane of the slices (above 1 what is seen grows)");
  v("shift", c.shift, "shift in the plane of the slices, of rows and of columns each drawn from -s to s of the volume's rows and columns", between(0, 1));
  v("flip", c.flip, "probability that left and right change places", between(0, 1));
  v("window_level", c.window_level, "Hounsfield units added to the level of all windows, drawn from -l to l", between(0, 2000));
  v("window_width", c.window_width, "factor of the width of all windows, drawn from 1 - w to 1 + w", from_until(0, 1));
  v("noise", c.noise, "standard deviation, in Hounsfield units, of normal noise of its own in every voxel", between(0, 2000));
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
  ClipSamplingConfig clip;
  std::vector<std::string> windows = {"40/80", "80/200", "600/2800"};  // brain, subdural, bone
  VolumeAugmentConfig volume;
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
  v("clip", c.clip, "videos: which frames are a clip, and the views of evaluation");
  v("windows", c.windows, "CT volumes: windows as \"LEVEL/WIDTH\" in Hounsfield units, one input channel each (default: brain, subdural, bone)");
  v("volume", c.volume, "CT volumes: training augmentation, one draw for all slices");
}

}  // namespace liere
