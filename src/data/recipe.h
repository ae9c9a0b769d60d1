// A recipe turns a source into what the model sees: `plan` draws everything random from what is known before decoding and says what must be decoded;
// `finish` computes the rest. One draw serves all frames; a sample's views may share one decode.
#pragma once

#include <functional>
#include <memory>

#include "core/rng.h"
#include "data/dataset.h"

namespace liere {

struct Plan {
  Request request;
  /// Frames as decoded -> frames ready to be normalised (u8, FrameShape of the recipe's output).
  std::function<Frames(Frames)> finish;
  /// Changes the normalised floats [C, T, H, W] in place (random erasing); empty: nothing to do. For who wants the model's input; pictures to look at leave it out.
  std::function<void(float* values_CTHW)> finish_normalized;
  /// In place of `finish` and normalize(), where a step comes after normalising (clips are resized as floats) or the pixels are not 8-bit (volumes): frames as
  /// decoded -> the model's input. One of `finish` and `fill` is set, or neither.
  std::function<void(const Frames& frames, float* out_CTHW)> fill;
};

/// Per-channel (p / 255 - mean) / std in float32.
struct Normalization {
  std::vector<float> mean, std;
};

class Recipe {
 public:
  virtual ~Recipe() = default;
  virtual Plan plan(const SourceInfo& info, Rng rng, int64_t view) const = 0;
  virtual FrameShape output_shape() const = 0;
  /// Of the model's input [C, axes..]: 1 is a sequence (the shape's width), 2 a picture, 3 a clip or volume.
  virtual int64_t axes() const { return output_shape().frames == 1 ? 2 : 3; }
  virtual int64_t views() const { return 1; }
  /// How many of the channels, the first ones, are a picture to look at: all of RGB; of a volume's windows one, as grey.
  virtual int64_t shown_channels() const { return output_shape().channels; }
  virtual const Normalization& normalization() const = 0;
};

/// The model's input of one view: `frames` as plan.request asked for them -> out [C, T, H, W] of the recipe's output shape. `name` is the sample's, for messages.
void fill_input(const Plan& plan, Frames frames, const Recipe& recipe, const std::string& name, float* out_CTHW);
/// The same without finish_normalized, as 8-bit frames of recipe.shown_channels() for people to look at: normalised values are turned back and rounded.
Frames picture_of(const Plan& plan, Frames frames, const Recipe& recipe, const std::string& name);

/// Frames u8 [T, H, W, C] -> float [C, T, H, W] (T is part of the layout also when it is 1).
void normalize(const Frames& frames, const Normalization& normalization, float* out_CTHW);

}  // namespace liere
