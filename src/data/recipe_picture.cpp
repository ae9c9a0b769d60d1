#include "data/recipe_picture.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "core/check.h"
#include "data/transforms/color_jitter.h"
#include "data/transforms/erasing.h"
#include "data/transforms/geometry.h"
#include "data/transforms/rand_augment.h"
#include "data/transforms/random_resized_crop.h"
#include "data/transforms/resize.h"
#include "data/transforms/three_augment.h"

namespace liere {
namespace {

void require_picture(const SourceInfo& info) {
  const auto& shape = info.shape;
  if (shape.frames != 1 || shape.channels != 3 || shape.height < 1 || shape.width < 1)
    throw DataError(info.name + ": expected one RGB picture, found " + std::to_string(shape.frames) + " frames of " + std::to_string(shape.height) +
                    "x" + std::to_string(shape.width) + " with " + std::to_string(shape.channels) + " channels; use the recipe of this kind of data");
}

/// `requested`: the part of the picture that was asked for.
void require_decoded(const Frames& frames, const SourceInfo& info, const Box& requested) {
  if (frames.type() != PixelType::kU8 || frames.shape() != FrameShape{1, requested.height, requested.width, 3})
    throw DataError(info.name + ": the decoded picture is not the 8-bit one of " + std::to_string(requested.height) + "x" +
                    std::to_string(requested.width) + " that was announced, but " + std::to_string(frames.shape().height) + "x" +
                    std::to_string(frames.shape().width) + "; the file may have changed");
}

PictureSize picture_size(const FrameShape& shape) { return {shape.height, shape.width}; }
Box whole(PictureSize size) { return {0, 0, size.height, size.width}; }
/// The part of the box that lies in the picture; the box overlaps it.
Box clipped(const Box& box, PictureSize size) {
  const int64_t top = std::max<int64_t>(box.top, 0), left = std::max<int64_t>(box.left, 0);
  return {top, left, std::min(box.top + box.height, size.height) - top, std::min(box.left + box.width, size.width) - left};
}
/// Nothing is asked for where the whole picture is wanted: sources know the quickest way to that.
Request request_of(const Box& box, PictureSize size) {
  if (box == whole(size)) return {};
  return {{}, box};
}

class PictureRecipe : public Recipe {
 public:
  PictureRecipe(const AugmentConfig& config, int64_t height, int64_t width)
      : config_(config), output_{1, height, width, 3}, normalization_(normalization_of(config.normalization)) {
    if (height < 1 || width < 1)
      throw ConfigError("picture recipe: expected an input size of at least 1x1, found " + std::to_string(height) + "x" + std::to_string(width));
  }
  FrameShape output_shape() const override { return output_; }
  const Normalization& normalization() const override { return normalization_; }

 protected:
  AugmentConfig config_;
  FrameShape output_;
  Normalization normalization_;
};

class EvalRecipe final : public PictureRecipe {
 public:
  using PictureRecipe::PictureRecipe;
  Plan plan(const SourceInfo& info, Rng, int64_t) const override {
    require_picture(info);
    switch (config_.evaluation.kind) {
      case EvaluationView::kResize:
        return resized(info);
      case EvaluationView::kCentreCrop:
        return resized_centre(info);
      case EvaluationView::kReleased:
        return unresized_centre(info);
    }
    throw ConfigError("augment.evaluation.kind: there is no kind " + std::to_string(static_cast<int>(config_.evaluation.kind)));
  }

 private:
  Plan resized(const SourceInfo& info) const {
    return {{},
            [info, output = output_, filter = config_.resize](Frames frames) {
              require_decoded(frames, info, whole(picture_size(info.shape)));
              if (frames.shape() == output) return frames;
              return resize(frames, output.height, output.width, filter);
            },
            {}};
  }
  Plan resized_centre(const SourceInfo& info) const {
    const PictureSize full = picture_size(info.shape), target = picture_size(output_);
    const auto short_side =
        static_cast<int64_t>(std::nearbyint(static_cast<double>(std::min(target.height, target.width)) / config_.evaluation.crop_ratio));
    // torchvision leaves a picture alone whose short side is right already.
    const PictureSize resized = std::min(full.height, full.width) == short_side ? full : size_with_short_side(full, short_side);
    const Box window = centre_crop_box(resized, target), seen = clipped(window, resized);
    const Box source = resize_source_box(full, resized, seen, config_.resize);
    return {request_of(source, full),
            [=, filter = config_.resize](Frames frames) {
              require_decoded(frames, info, source);
              Frames centre = resize_window(frames, source, full, resized, seen, filter);
              if (seen == window) return centre;
              return crop(centre, {window.top - seen.top, window.left - seen.left, window.height, window.width});  // an oblong input: zeros around
            },
            {}};
  }
  Plan unresized_centre(const SourceInfo& info) const {
    const PictureSize full = picture_size(info.shape);
    const Box window = centre_crop_box(full, picture_size(output_)), source = clipped(window, full);
    return {request_of(source, full),
            [=](Frames frames) {
              require_decoded(frames, info, source);
              if (source == window) return frames;
              return crop(frames, {window.top - source.top, window.left - source.left, window.height, window.width});
            },
            {}};
  }
};

/// Everything random about one training picture.
struct TrainDraws {
  std::vector<DrawnOperation> operations;
  std::optional<DrawnThreeAugment> three_augment;
  std::vector<DrawnJitter> jitter;
  std::optional<Box> box;  // of RandomResizedCrop
  Box crop;                // otherwise: of the resized picture, which may leave it
  bool flip = false;
};

Frames change_colours(Frames frames, const TrainDraws& draws) {
  frames = apply_operations(std::move(frames), draws.operations);
  if (draws.three_augment) frames = apply_three_augment(std::move(frames), *draws.three_augment);
  return apply_color_jitter(std::move(frames), draws.jitter);
}

class TrainRecipe final : public PictureRecipe {
 public:
  TrainRecipe(const AugmentConfig& config, int64_t height, int64_t width) : PictureRecipe(config, height, width) {
    require_valid(config.rand_augment);
    require_valid(config.random_resized_crop);
    if (config.random_resized_crop.enabled && config.crop_padding > 0)
      throw ConfigError("augment.crop_padding is " + std::to_string(config.crop_padding) +
                        ", but augment.random_resized_crop crops already. Set crop_padding to 0, or random_resized_crop.enabled to false.");
  }

  Plan plan(const SourceInfo& info, Rng rng, int64_t) const override {
    require_picture(info);
    const TrainDraws draws = draw(picture_size(info.shape), rng);
    const bool crop_first = config_.order == AugmentOrder::kCropFirst;
    const PictureSize full = picture_size(info.shape);
    // Of RandAugment before the crop only what the crop reads is decoded and computed; the other colour steps take the whole picture.
    const bool in_window = draws.box && !crop_first && !draws.three_augment && draws.jitter.empty();
    const Box source = in_window                   ? operations_source_box(draws.operations, full.height, full.width, *draws.box)
                       : draws.box && crop_first ? *draws.box
                                                 : whole(full);
    Plan plan;
    plan.request = request_of(source, full);
    plan.finish = [=, output = output_, filter = config_.resize](Frames frames) {
      require_decoded(frames, info, source);
      if (in_window) {
        frames = apply_operations_in_window(std::move(frames), source, full.height, full.width, draws.operations, *draws.box);
      } else if (!crop_first) {
        frames = change_colours(std::move(frames), draws);
        if (draws.box) frames = crop(frames, *draws.box);
      }
      if (frames.shape() != output) frames = resize(frames, output.height, output.width, filter);
      if (!draws.box && draws.crop != Box{0, 0, output.height, output.width}) frames = crop(frames, draws.crop);
      if (crop_first) frames = change_colours(std::move(frames), draws);
      return draws.flip ? flip_horizontal(std::move(frames)) : frames;
    };
    if (const auto erasing = draw_erasing(config_.erasing, output_.height, output_.width, rng))
      plan.finish_normalized = [output = output_, erasing = *erasing](float* values_CTHW) { erase(values_CTHW, output, erasing); };
    return plan;
  }

 private:
  TrainDraws draw(PictureSize size, Rng& rng) const {
    TrainDraws draws;
    if (config_.order == AugmentOrder::kCropFirst) {
      draw_crop(draws, size, rng);
      draw_colours(draws, picture_size(output_), rng);
    } else {
      draw_colours(draws, size, rng);
      draw_crop(draws, size, rng);
    }
    draws.flip = config_.flip > 0 && rng.coin(config_.flip);
    return draws;
  }
  void draw_colours(TrainDraws& draws, PictureSize size, Rng& rng) const {
    draws.operations = draw_rand_augment(config_.rand_augment, size.height, size.width, rng);
    if (config_.three_augment) draws.three_augment = draw_three_augment(rng);
    draws.jitter = draw_color_jitter(config_.color_jitter, rng);
  }
  void draw_crop(TrainDraws& draws, PictureSize size, Rng& rng) const {
    draws.crop = whole(picture_size(output_));
    if (config_.random_resized_crop.enabled) {
      draws.box = draw_random_resized_crop(config_.random_resized_crop, size, rng);
    } else if (const int64_t padding = config_.crop_padding; padding > 0) {
      draws.crop.top = rng.integer(2 * padding + 1) - padding;
      draws.crop.left = rng.integer(2 * padding + 1) - padding;
    }
  }
};

}  // namespace

Normalization normalization_of(NormalizationKind kind) {
  switch (kind) {
    case NormalizationKind::kCifar:
      return {{.4914f, .4822f, .4465f}, {.2023f, .1994f, .2010f}};
    case NormalizationKind::kCifar100:
      return {{.50707516f, .48654887f, .44091784f}, {.26733429f, .25643846f, .27615047f}};
    case NormalizationKind::kImagenet:
      return {{.485f, .456f, .406f}, {.229f, .224f, .225f}};
    case NormalizationKind::kHalf:
      return {{.5f, .5f, .5f}, {.5f, .5f, .5f}};
  }
  throw ConfigError("augment.normalization: unknown kind " + std::to_string(static_cast<int>(kind)));
}

std::unique_ptr<Recipe> make_train_recipe(const AugmentConfig& config, int64_t height, int64_t width) {
  return std::make_unique<TrainRecipe>(config, height, width);
}

std::unique_ptr<Recipe> make_eval_recipe(const AugmentConfig& config, int64_t height, int64_t width) {
  return std::make_unique<EvalRecipe>(config, height, width);
}

}  // namespace liere
