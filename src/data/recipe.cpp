#include "data/recipe.h"

#include <algorithm>
#include <cmath>

#include "core/check.h"

namespace liere {
namespace {

std::string text(const FrameShape& shape) {
  return std::to_string(shape.frames) + " x " + std::to_string(shape.height) + " x " + std::to_string(shape.width) + " x " + std::to_string(shape.channels);
}

Frames finished(const Plan& plan, Frames frames, const Recipe& recipe, const std::string& name) {
  if (plan.finish) frames = plan.finish(std::move(frames));
  const FrameShape shape = recipe.output_shape();
  if (!(frames.shape() == shape))
    throw DataError(name + ": the recipe made frames of " + text(frames.shape()) + " (frames x height x width x channels), expected " + text(shape));
  return frames;
}

}  // namespace

void fill_input(const Plan& plan, Frames frames, const Recipe& recipe, const std::string& name, float* out_CTHW) {
  if (plan.fill) plan.fill(frames, out_CTHW);
  else normalize(finished(plan, std::move(frames), recipe, name), recipe.normalization(), out_CTHW);
  if (plan.finish_normalized) plan.finish_normalized(out_CTHW);
}

Frames picture_of(const Plan& plan, Frames frames, const Recipe& recipe, const std::string& name) {
  if (!plan.fill) return finished(plan, std::move(frames), recipe, name);
  const FrameShape shape = recipe.output_shape();
  std::vector<float> values(static_cast<size_t>(shape.elements()));
  plan.fill(frames, values.data());
  const int64_t shown = recipe.shown_channels();
  Frames picture(PixelType::kU8, {shape.frames, shape.height, shape.width, shown});
  const int64_t plane = shape.elements() / shape.channels;
  const auto& normalization = recipe.normalization();
  for (int64_t c = 0; c < shown; ++c)
    for (int64_t i = 0; i < plane; ++i) {
      const float value = (values[static_cast<size_t>(c * plane + i)] * normalization.std[c] + normalization.mean[c]) * 255.0f;
      picture.u8()[i * shown + c] = static_cast<uint8_t>(std::lround(std::clamp(value, 0.0f, 255.0f)));
    }
  return picture;
}

void normalize(const Frames& frames, const Normalization& normalization, float* out_CTHW) {
  const auto& shape = frames.shape();
  if (frames.type() != PixelType::kU8 || normalization.mean.size() != size_t(shape.channels) || normalization.std.size() != size_t(shape.channels))
    throw DataError("normalize: expected 8-bit frames of " + std::to_string(normalization.mean.size()) + " channels, found " + std::to_string(shape.channels));
  const int64_t plane = shape.frames * shape.height * shape.width;
  for (int64_t c = 0; c < shape.channels; ++c) {
    // 256 possible values: the division is done once each, with the same bits as per pixel.
    float table[256];
    for (int p = 0; p < 256; ++p) table[p] = (static_cast<float>(p) / 255.0f - normalization.mean[c]) / normalization.std[c];
    const uint8_t* in = frames.u8() + c;
    float* out = out_CTHW + c * plane;
    for (int64_t i = 0; i < plane; ++i) out[i] = table[in[i * shape.channels]];
  }
}

}  // namespace liere
