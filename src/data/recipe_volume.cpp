#include "data/recipe_volume.h"

#include <algorithm>

#include "core/check.h"
#include "data/transforms/ct_window.h"
#include "data/transforms/volume_affine.h"
#include "data/volumes/resample.h"

namespace liere {
namespace {

std::string text(const FrameShape& shape) {
  return std::to_string(shape.frames) + " slices of " + std::to_string(shape.height) + "x" + std::to_string(shape.width) + " with " +
         std::to_string(shape.channels) + (shape.channels == 1 ? " channel" : " channels");
}

void require_volume(const SourceInfo& info) {
  const auto& shape = info.shape;
  if (shape.frames < 1 || shape.height < 1 || shape.width < 1 || shape.channels != 1)
    throw DataError(info.name + ": expected a CT volume of one channel, found " + text(shape) + "; use the recipe of this kind of data");
}

void require_decoded(const Frames& frames, const SourceInfo& info) {
  if (frames.type() != PixelType::kI16 || frames.shape() != info.shape)
    throw DataError(info.name + ": the volume read is not the 16-bit one of " + text(info.shape) + " that was announced, but " +
                    text(frames.shape()) + "; the file may have changed: prepare the volumes again");
}

/// What a plan has drawn.
struct DrawnVolume {
  VolumeMap map;
  double level = 0, width = 1;  // added to the windows' levels, factor of their widths
  double noise = 0;             // HU
  uint64_t noise_key = 0;
};

DrawnVolume draw_volume(const VolumeAugmentConfig& config, int64_t height, int64_t width, Rng& rng) {
  DrawnVolume drawn;
  drawn.map = draw_volume_map(config, height, width, rng);
  if (config.window_level > 0) drawn.level = rng.uniform(-config.window_level, config.window_level);
  if (config.window_width > 0) drawn.width = rng.uniform(1 - config.window_width, 1 + config.window_width);
  if (config.noise > 0) {
    drawn.noise = config.noise;
    drawn.noise_key = rng.bits64();
  }
  return drawn;
}

/// From Hounsfield units, a run of neighbouring voxels at a time, to all channels.
class WindowPass {
 public:
  WindowPass(const std::vector<CtWindow>& windows, const DrawnVolume& drawn, int64_t voxels, float* out, const VolumeKernels& kernels)
      : drawn_(drawn), voxels_(voxels), out_(out), kernels_(kernels) {
    for (const auto& window : windows) {
      // (clamp((HU - (L - W / 2)) / W, 0, 1) - 1/2) / (1/2) is clamp((HU - L) 2 / W, -1, 1): no division a voxel, and 0 exactly at the level.
      ramps_.push_back({static_cast<float>(window.level + drawn.level), static_cast<float>(2 / (window.width * drawn.width))});
    }
  }
  /// Voxels first .. first + count - 1, changed by the noise.
  void run(int64_t first, int64_t count, float* hu) {
    if (drawn_.noise > 0) {
      noise_.resize(static_cast<size_t>(count));
      fill_normal(drawn_.noise_key, noise_.data(), count, 0, drawn_.noise, first);
      for (int64_t i = 0; i < count; ++i) hu[i] += noise_[static_cast<size_t>(i)];
    }
    float* to = out_ + first;
    for (const auto& [level, slope] : ramps_) {
      kernels_.window(hu, count, level, slope, to);
      to += voxels_;
    }
  }

 private:
  const DrawnVolume& drawn_;
  const int64_t voxels_;
  float* const out_;
  const VolumeKernels& kernels_;
  std::vector<std::pair<float, float>> ramps_;  // level, 2 / width
  std::vector<float> noise_;
};

void fill_volume(const Frames& hu, const DrawnVolume& drawn, const std::vector<CtWindow>& windows, float* out_CTHW) {
  const auto& kernels = volume_kernels();
  const auto& shape = hu.shape();
  const int64_t voxels = shape.elements(), plane = shape.height * shape.width;
  WindowPass pass(windows, drawn, voxels, out_CTHW, kernels);
  if (drawn.map.identity()) {
    constexpr int64_t kRun = 2048;  // stays in the nearest cache between the windows
    float run[kRun];
    for (int64_t first = 0; first < voxels; first += kRun) {
      const int64_t count = std::min(kRun, voxels - first);
      kernels.to_float(hu.i16() + first, count, run);
      pass.run(first, count, run);
    }
    return kernels.finish();
  }
  VolumeSampler sampler(hu, drawn.map, kernels);
  std::vector<float> row(static_cast<size_t>(shape.width));
  for (int64_t y = 0; y < shape.height; ++y) {
    sampler.place(y);
    for (int64_t t = 0; t < shape.frames; ++t) {
      sampler.sample(t, row.data());
      pass.run(t * plane + y * shape.width, shape.width, row.data());
    }
  }
  kernels.finish();
}

class VolumeRecipe : public Recipe {
 public:
  VolumeRecipe(const AugmentConfig& config, int64_t frames, int64_t height, int64_t width)
      : config_(config),
        windows_(parse_ct_windows(config.windows, "augment.windows")),
        output_{frames, height, width, static_cast<int64_t>(windows_.size())} {
    if (frames < 1 || height < 1 || width < 1)
      throw ConfigError("model.input_size: expected [slices, rows, columns] of volumes, all above 0, found [" + std::to_string(frames) + ", " +
                        std::to_string(height) + ", " + std::to_string(width) + "].");
    if (config.resize != ResizeFilter::kBilinear)
      throw ConfigError("augment.resize: volumes are resampled by area and linearly, found bicubic. Leave it out.");
    if (config.normalization != NormalizationKind::kCifar && config.normalization != NormalizationKind::kHalf)
      throw ConfigError("augment.normalization: the windows of volumes are normalised by 0.5 / 0.5, found " +
                        std::string(name_of(config.normalization)) + ". Leave it out; augment.windows chooses what is seen.");
    if (config.evaluation.kind != EvaluationView::kResize)
      throw ConfigError("augment.evaluation.kind: volumes are shown whole, found " + std::string(name_of(config.evaluation.kind)) +
                        ". Leave it out.");
    normalization_.mean.assign(windows_.size(), 0.5f);
    normalization_.std.assign(windows_.size(), 0.5f);
  }
  FrameShape output_shape() const override { return output_; }
  const Normalization& normalization() const override { return normalization_; }
  int64_t shown_channels() const override { return 1; }

 protected:
  Plan plan_of(const SourceInfo& info, const DrawnVolume& drawn) const {
    Plan plan;
    plan.fill = [this, info, drawn](const Frames& frames, float* out_CTHW) {
      require_decoded(frames, info);
      const FrameShape wanted{output_.frames, output_.height, output_.width, 1};
      if (frames.shape() == wanted)
        fill_volume(frames, drawn, windows_, out_CTHW);
      else
        fill_volume(resample_to(frames, wanted.frames, wanted.height, wanted.width), drawn, windows_, out_CTHW);
    };
    return plan;
  }

  AugmentConfig config_;
  std::vector<CtWindow> windows_;
  FrameShape output_;
  Normalization normalization_;
};

class EvalVolumeRecipe final : public VolumeRecipe {
 public:
  using VolumeRecipe::VolumeRecipe;
  Plan plan(const SourceInfo& info, Rng, int64_t) const override {
    require_volume(info);
    return plan_of(info, {});
  }
};

void require_no_picture_steps(const AugmentConfig& config) {
  const auto refuse = [](const std::string& key, const std::string& found) {
    throw ConfigError(
        "augment." + key + ": it is made for 8-bit pictures, CT volumes hold Hounsfield units, found " + found +
        ". Leave it out; volumes have augment.volume (rotation, scale, shift, flip, window_level, window_width, noise) and augment.windows.");
  };
  const auto& jitter = config.color_jitter;
  if (config.rand_augment.kind != RandAugmentKind::kNone) refuse("rand_augment.kind", std::string(name_of(config.rand_augment.kind)));
  if (config.three_augment) refuse("three_augment", "true");
  if (jitter.brightness > 0 || jitter.contrast > 0 || jitter.saturation > 0 || jitter.hue > 0) refuse("color_jitter", "a strength above 0");
  if (config.random_resized_crop.enabled) refuse("random_resized_crop.enabled", "true");
  if (config.order != AugmentOrder::kReleased) refuse("order", "crop_first");
  if (config.crop_padding > 0) refuse("crop_padding", std::to_string(config.crop_padding));
  if (config.flip > 0) refuse("flip", "a probability above 0");
  if (config.erasing > 0) refuse("erasing", "a probability above 0");
}

class TrainVolumeRecipe final : public VolumeRecipe {
 public:
  TrainVolumeRecipe(const AugmentConfig& config, int64_t frames, int64_t height, int64_t width) : VolumeRecipe(config, frames, height, width) {
    require_no_picture_steps(config);
    require_valid(config.volume);
  }
  Plan plan(const SourceInfo& info, Rng rng, int64_t) const override {
    require_volume(info);
    return plan_of(info, draw_volume(config_.volume, output_.height, output_.width, rng));
  }
};

}  // namespace

std::unique_ptr<Recipe> make_train_volume_recipe(const AugmentConfig& config, int64_t frames, int64_t height, int64_t width) {
  return std::make_unique<TrainVolumeRecipe>(config, frames, height, width);
}

std::unique_ptr<Recipe> make_eval_volume_recipe(const AugmentConfig& config, int64_t frames, int64_t height, int64_t width) {
  return std::make_unique<EvalVolumeRecipe>(config, frames, height, width);
}

}  // namespace liere
