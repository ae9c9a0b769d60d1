#include "data/transforms/clip_sampling.h"

#include <algorithm>

namespace liere {
namespace {

/// numpy's linspace, ends included, cut to [0, last] and to whole numbers.
std::vector<int64_t> cut_linspace(int64_t start, int64_t end, int64_t count, int64_t last) {
  std::vector<int64_t> indices(count);
  const double step = count > 1 ? static_cast<double>(end - start) / static_cast<double>(count - 1) : 0;
  for (int64_t i = 0; i < count; ++i) {
    const double position = i > 0 && i == count - 1 ? static_cast<double>(end) : static_cast<double>(i) * step + static_cast<double>(start);
    indices[i] = std::min(static_cast<int64_t>(position), last);
  }
  return indices;
}

std::vector<int64_t> draw_released(int64_t rate, int64_t frames, int64_t length, Rng& rng) {
  const int64_t window = length * rate;
  if (frames > window) {
    const int64_t end = window + rng.integer(frames - window);
    return cut_linspace(end - window, end, length, end - 1);
  }
  auto indices = cut_linspace(0, frames, std::min(length, frames / rate), frames - 1);
  indices.resize(length, frames - 1);
  return indices;
}

std::vector<int64_t> draw_stride(int64_t rate, int64_t frames, int64_t length, Rng& rng) {
  const int64_t span = (length - 1) * rate + 1;
  const int64_t start = frames > span ? rng.integer(frames - span + 1) : 0;
  std::vector<int64_t> indices(length);
  for (int64_t i = 0; i < length; ++i) indices[i] = std::min(start + i * rate, frames - 1);
  return indices;
}

/// Part k of `count` parts spread over `room`; the centre where there is one.
int64_t spread(int64_t room, int64_t count, int64_t k) {
  if (count == 1) return room / 2;
  const double step = static_cast<double>(room) / static_cast<double>(count - 1);
  return static_cast<int64_t>(static_cast<double>(k) * step);
}

}  // namespace

std::vector<int64_t> draw_clip(const ClipSamplingConfig& config, int64_t frames, int64_t length, Rng& rng) {
  return config.sampling == ClipSampling::kReleased ? draw_released(config.rate, frames, length, rng) : draw_stride(config.rate, frames, length, rng);
}

std::vector<int64_t> segment_frames(const ClipSamplingConfig& config, int64_t frames, int64_t length, int64_t segment) {
  const int64_t strided = (frames + config.rate - 1) / config.rate;
  const int64_t start = spread(std::max<int64_t>(strided - length, 0), config.segments, segment);
  std::vector<int64_t> indices(length);
  for (int64_t i = 0; i < length; ++i) indices[i] = std::min(start + i, strided - 1) * config.rate;
  return indices;
}

Box crop_along(PictureSize resized, int64_t side, int64_t crops, int64_t crop) {
  if (resized.height >= resized.width) return {spread(resized.height - side, crops, crop), 0, side, side};
  return {0, spread(resized.width - side, crops, crop), side, side};
}

}  // namespace liere
