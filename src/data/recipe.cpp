#include "data/recipe.h"

#include "core/check.h"

namespace liere {

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
