#include "data/recipe_picture.h"

#include "core/check.h"
#include "data/transforms/geometry.h"
#include "data/transforms/rand_augment.h"
#include "data/transforms/resize.h"

namespace liere {
namespace {

void require_picture(const SourceInfo& info) {
  const auto& shape = info.shape;
  if (shape.frames != 1 || shape.channels != 3 || shape.height < 1 || shape.width < 1)
    throw DataError(info.name + ": expected one RGB picture, found " + std::to_string(shape.frames) + " frames of " + std::to_string(shape.height) +
                    "x" + std::to_string(shape.width) + " with " + std::to_string(shape.channels) + " channels; use the recipe of this kind of data");
}

void require_decoded(const Frames& frames, const SourceInfo& info) {
  if (frames.type() != PixelType::kU8 || frames.shape() != info.shape)
    throw DataError(info.name + ": the decoded picture is not the 8-bit one of " + std::to_string(info.shape.height) + "x" +
                    std::to_string(info.shape.width) + " that was announced, but " + std::to_string(frames.shape().height) + "x" +
                    std::to_string(frames.shape().width) + "; the file may have changed");
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
    return {{}, [info, output = output_, filter = config_.resize](Frames frames) {
              require_decoded(frames, info);
              if (frames.shape() == output) return frames;
              return resize(frames, output.height, output.width, filter);
            }};
  }
};

/// Everything random about one training picture.
struct TrainDraws {
  std::vector<DrawnOperation> operations;
  Box crop;
  bool flip = false;
};

class TrainRecipe final : public PictureRecipe {
 public:
  TrainRecipe(const AugmentConfig& config, int64_t height, int64_t width) : PictureRecipe(config, height, width) {
    require_valid(config.rand_augment);
  }

  Plan plan(const SourceInfo& info, Rng rng, int64_t) const override {
    require_picture(info);
    return {{}, [info, draws = draw(info.shape, rng), output = output_, filter = config_.resize](Frames frames) {
              require_decoded(frames, info);
              frames = apply_operations(std::move(frames), draws.operations);
              if (frames.shape() != output) frames = resize(frames, output.height, output.width, filter);
              if (draws.crop != Box{0, 0, output.height, output.width}) frames = crop(frames, draws.crop);
              return draws.flip ? flip_horizontal(std::move(frames)) : frames;
            }};
  }

 private:
  TrainDraws draw(const FrameShape& shape, Rng& rng) const {
    TrainDraws draws{draw_rand_augment(config_.rand_augment, shape.height, shape.width, rng), {0, 0, output_.height, output_.width}};
    if (const int64_t padding = config_.crop_padding; padding > 0) {
      draws.crop.top = rng.integer(2 * padding + 1) - padding;
      draws.crop.left = rng.integer(2 * padding + 1) - padding;
    }
    draws.flip = config_.flip > 0 && rng.coin(config_.flip);
    return draws;
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
