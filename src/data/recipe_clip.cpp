#include "data/recipe_clip.h"

#include <optional>

#include "core/check.h"
#include "data/recipe_picture.h"
#include "data/transforms/clip_resize.h"
#include "data/transforms/clip_sampling.h"
#include "data/transforms/erasing.h"
#include "data/transforms/geometry.h"
#include "data/transforms/rand_augment.h"
#include "data/transforms/random_resized_crop.h"

namespace liere {
namespace {

std::string text(const FrameShape& shape) {
  return std::to_string(shape.frames) + " frames of " + std::to_string(shape.height) + "x" + std::to_string(shape.width) + " with " +
         std::to_string(shape.channels) + " channels";
}

void require_video(const SourceInfo& info) {
  const auto& shape = info.shape;
  if (shape.frames == 1 && shape.channels == 3)
    throw DataError(info.name + ": expected a video, found one still picture of " + std::to_string(shape.height) + "x" + std::to_string(shape.width) +
                    ". A model.input_size of three axes needs a data set of videos; pictures take [rows, columns].");
  if (shape.frames < 1 || shape.channels != 3 || shape.height < 1 || shape.width < 1)
    throw DataError(info.name + ": expected a video of RGB frames, found " + text(shape) + "; use the recipe of this kind of data");
}

void require_decoded(const Frames& frames, const SourceInfo& info, int64_t count) {
  const FrameShape expected{count, info.shape.height, info.shape.width, 3};
  if (frames.type() != PixelType::kU8 || frames.shape() != expected)
    throw DataError(info.name + ": the decoded clip is not the 8-bit one of " + text(expected) + " that was announced, but " + text(frames.shape()) +
                    "; the file may have changed");
}

PictureSize frame_size(const FrameShape& shape) { return {shape.height, shape.width}; }

class ClipRecipe : public Recipe {
 public:
  ClipRecipe(const AugmentConfig& config, int64_t frames, int64_t height, int64_t width)
      : config_(config), output_{frames, height, width, 3}, normalization_(normalization_of(config.normalization)) {
    if (frames < 1 || height < 1 || height != width)
      throw ConfigError("model.input_size: expected [frames, side, side] of clips, whose frames are square, found [" + std::to_string(frames) + ", " +
                        std::to_string(height) + ", " + std::to_string(width) + "]");
    if (config.resize != ResizeFilter::kBilinear)
      throw ConfigError("augment.resize: clips are resized by the release's bilinear filters, found bicubic. Set it to bilinear.");
    bytes_ = normalized_bytes(normalization_.mean, normalization_.std);
  }
  FrameShape output_shape() const override { return output_; }
  const Normalization& normalization() const override { return normalization_; }

 protected:
  /// A frame whose short side is the input's.
  PictureSize resized(const SourceInfo& info) const { return size_with_short_side(frame_size(info.shape), output_.height); }

  AugmentConfig config_;
  FrameShape output_;
  Normalization normalization_;
  NormalizedBytes bytes_;
};

class EvalClipRecipe final : public ClipRecipe {
 public:
  using ClipRecipe::ClipRecipe;
  int64_t views() const override { return config_.clip.segments * config_.clip.crops; }

  Plan plan(const SourceInfo& info, Rng, int64_t view) const override {
    require_video(info);
    if (view < 0 || view >= views())
      throw DataError(info.name + ": expected a view of 0.." + std::to_string(views() - 1) + ", found " + std::to_string(view));
    const int64_t segment = view / config_.clip.crops, crop = view % config_.clip.crops;
    const PictureSize size = resized(info);
    const Box window = crop_along(size, output_.height, config_.clip.crops, crop);
    Plan plan;
    plan.request.frames = segment_frames(config_.clip, info.shape.frames, output_.frames, segment);
    plan.fill = [this, info, size, window](const Frames& frames, float* out_CTHW) {
      require_decoded(frames, info, output_.frames);
      resize_window_normalized(frames, size, window, false, bytes_, out_CTHW);
    };
    return plan;
  }
};

class TrainClipRecipe final : public ClipRecipe {
 public:
  TrainClipRecipe(const AugmentConfig& config, int64_t frames, int64_t height, int64_t width) : ClipRecipe(config, frames, height, width) {
    const auto refuse = [](const std::string& key, const std::string& found, const std::string& instead) {
      throw ConfigError("augment." + key + ": clips do not have it, found " + found + ". " + instead);
    };
    if (config.three_augment) refuse("three_augment", "true", "Leave it out; augment.rand_augment changes the colours of clips.");
    const auto& jitter = config.color_jitter;
    if (jitter.brightness > 0 || jitter.contrast > 0 || jitter.saturation > 0 || jitter.hue > 0)
      refuse("color_jitter", "a strength above 0", "Leave it out; augment.rand_augment changes the colours of clips.");
    if (config.crop_padding > 0) refuse("crop_padding", std::to_string(config.crop_padding), "Leave it out; augment.random_resized_crop crops clips.");
    if (config.order != AugmentOrder::kReleased)
      refuse("order", "crop_first", "Leave it out: clips are resized as floats after the operations, which need 8 bits; of these only what the crop reads is computed.");
    require_valid(config.rand_augment);
    require_valid(config.random_resized_crop);
  }

  Plan plan(const SourceInfo& info, Rng rng, int64_t) const override {
    require_video(info);
    const PictureSize full = frame_size(info.shape);
    Plan plan;
    plan.request.frames = draw_clip(config_.clip, info.shape.frames, output_.frames, rng);
    const auto operations = draw_rand_augment(config_.rand_augment, full.height, full.width, rng);
    std::optional<Box> box;
    if (config_.random_resized_crop.enabled) box = draw_random_resized_crop(config_.random_resized_crop, full, rng);
    const bool flip = config_.flip > 0 && rng.coin(config_.flip);
    plan.fill = [this, info, full, operations, box, flip](const Frames& frames, float* out_CTHW) {
      require_decoded(frames, info, output_.frames);
      if (!box) {
        const PictureSize size = resized(info);
        const Box centre = crop_along(size, output_.height, 1, 0);
        resize_window_normalized(operations.empty() ? frames : apply_operations(frames, operations), size, centre, flip, bytes_, out_CTHW);
      } else if (operations.empty()) {
        resize_box_normalized(frames, *box, frame_size(output_), flip, bytes_, out_CTHW);
      } else {
        const Box source = operations_source_box(operations, full.height, full.width, *box);
        const Frames seen = apply_operations_in_window(crop(frames, source), source, full.height, full.width, operations, *box);
        resize_box_normalized(seen, {0, 0, box->height, box->width}, frame_size(output_), flip, bytes_, out_CTHW);
      }
    };
    if (const auto erasing = draw_erasing(config_.erasing, output_.height, output_.width, rng))
      plan.finish_normalized = [output = output_, erasing = *erasing](float* values_CTHW) { erase(values_CTHW, output, erasing); };
    return plan;
  }
};

}  // namespace

std::unique_ptr<Recipe> make_train_clip_recipe(const AugmentConfig& config, int64_t frames, int64_t height, int64_t width) {
  return std::make_unique<TrainClipRecipe>(config, frames, height, width);
}

std::unique_ptr<Recipe> make_eval_clip_recipe(const AugmentConfig& config, int64_t frames, int64_t height, int64_t width) {
  return std::make_unique<EvalClipRecipe>(config, frames, height, width);
}

}  // namespace liere
