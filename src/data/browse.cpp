#include "data/browse.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <opencv2/imgproc.hpp>

#include "core/check.h"

namespace liere {
namespace {

constexpr int kFont = cv::FONT_HERSHEY_SIMPLEX;
constexpr double kFontScale = 0.45;
constexpr int64_t kGap = 12, kCaptionHeight = 20;

int64_t text_width(const std::string& text) {
  int baseline = 0;
  return cv::getTextSize(text, kFont, kFontScale, 1, &baseline).width;
}

/// The middle frame, each pixel scale x scale, at (top, left) of the sheet.
void place(const Frames& sample, int64_t scale, int64_t top, int64_t left, Frames& sheet) {
  const auto& shape = sample.shape();
  const uint8_t* frame = sample.u8() + shape.frames / 2 * shape.height * shape.width * shape.channels;
  for (int64_t y = 0; y < shape.height * scale; ++y)
    for (int64_t x = 0; x < shape.width * scale; ++x)
      for (int64_t c = 0; c < 3; ++c)
        sheet.u8()[((top + y) * sheet.shape().width + left + x) * 3 + c] =
            frame[(y / scale * shape.width + x / scale) * shape.channels + (shape.channels == 3 ? c : 0)];
}

/// Photographs become small enough for a sheet of many; the others stay as they are.
Frames shrunk(Frames frames, int64_t max_side = 256) {
  const auto& shape = frames.shape();
  const double factor = static_cast<double>(max_side) / static_cast<double>(std::max(shape.height, shape.width));
  if (factor >= 1 || frames.type() != PixelType::kU8 || shape.frames != 1) return frames;
  const auto side = [&](int64_t pixels) { return std::max<int64_t>(1, std::lround(static_cast<double>(pixels) * factor)); };
  Frames small(PixelType::kU8, {1, side(shape.height), side(shape.width), shape.channels});
  const int type = CV_8UC(static_cast<int>(shape.channels));
  const cv::Mat from(static_cast<int>(shape.height), static_cast<int>(shape.width), type, frames.u8());
  cv::Mat to(static_cast<int>(small.shape().height), static_cast<int>(small.shape().width), type, small.u8());
  cv::resize(from, to, to.size(), 0, 0, cv::INTER_AREA);
  return small;
}

/// The frame as a clip of its own.
Frames frame_of(const Frames& clip, int64_t t) {
  const auto& shape = clip.shape();
  Frames frame(PixelType::kU8, {1, shape.height, shape.width, shape.channels});
  std::memcpy(frame.u8(), clip.u8() + static_cast<size_t>(t) * frame.size_bytes(), frame.size_bytes());
  return frame;
}

Frames chosen_frames(const Frames& clip, const std::vector<int64_t>& indices) {
  FrameShape shape = clip.shape();
  shape.frames = static_cast<int64_t>(indices.size());
  Frames frames(PixelType::kU8, shape);
  const auto bytes = frames.size_bytes() / indices.size();
  for (size_t t = 0; t < indices.size(); ++t) std::memcpy(frames.u8() + t * bytes, clip.u8() + static_cast<size_t>(indices[t]) * bytes, bytes);
  return frames;
}

constexpr int64_t kStripFrames = 8;

/// Frames of a video of `count`, the first and the last among them.
std::vector<int64_t> spread_frames(int64_t count) {
  std::vector<int64_t> indices(std::min(count, kStripFrames));
  for (size_t i = 0; i < indices.size(); ++i) indices[i] = static_cast<int64_t>(i) * (count - 1) / std::max<int64_t>(static_cast<int64_t>(indices.size()) - 1, 1);
  return indices;
}

/// `unit`: frames of a video, slices of a volume.
std::string strip_caption(const std::string& name, const std::string& unit, const std::vector<int64_t>& frames, int64_t count) {
  std::string text = name + ": " + unit;
  for (const int64_t frame : frames) text += " " + std::to_string(frame);
  return text + " of " + std::to_string(count);
}

/// An int16 volume in the brain's window, as 8-bit frames.
Frames windowed(const Frames& volume) {
  constexpr double kLevel = 40, kWidth = 80;
  FrameShape shape = volume.shape();
  Frames frames(PixelType::kU8, shape);
  for (int64_t i = 0; i < shape.elements(); ++i)
    frames.u8()[i] = static_cast<uint8_t>(std::lround(std::clamp((volume.i16()[i] - (kLevel - kWidth / 2)) / kWidth, 0.0, 1.0) * 255));
  return frames;
}

std::string class_caption(const Dataset& dataset, const SourceInfo& info) {
  if (!dataset.multi_label()) return info.label < 0 ? "no label" : dataset.class_names()[info.label];
  std::string names;
  for (size_t c = 0; c < info.targets.size(); ++c)
    if (info.targets[c] > 0.5f) names += (names.empty() ? "" : ", ") + dataset.class_names()[c];
  return info.label < 0 ? "no label" : names.empty() ? "none" : names;
}

}  // namespace

Frames film_strip(const Frames& clip, int64_t side) {
  const auto& shape = clip.shape();
  if (clip.type() != PixelType::kU8 || shape.elements() == 0) throw DataError("A film strip shows 8-bit frames; these are none.");
  constexpr int64_t kBetween = 2;
  std::vector<Frames> frames;
  for (int64_t t = 0; t < shape.frames; ++t) frames.push_back(shrunk(frame_of(clip, t), side));
  const int64_t height = frames[0].shape().height, width = frames[0].shape().width, step = width + kBetween;
  Frames strip(PixelType::kU8, {1, height, shape.frames * step - kBetween, shape.channels});
  std::memset(strip.u8(), 255, strip.size_bytes());
  for (int64_t t = 0; t < shape.frames; ++t)
    for (int64_t y = 0; y < height; ++y)
      std::memcpy(strip.u8() + (y * strip.shape().width + t * step) * shape.channels, frames[static_cast<size_t>(t)].u8() + y * width * shape.channels,
                  static_cast<size_t>(width * shape.channels));
  return strip;
}

Frames contact_sheet(const std::vector<Frames>& samples, const std::vector<std::string>& captions, int64_t columns, int64_t scale) {
  if (samples.empty() || samples.size() != captions.size() || columns < 1 || scale < 1)
    throw DataError("A contact sheet needs at least one sample, a caption for each, and at least one column; found " +
                    std::to_string(samples.size()) + " samples and " + std::to_string(captions.size()) + " captions.");
  int64_t tile_height = 0, tile_width = 0;
  for (size_t i = 0; i < samples.size(); ++i) {
    const auto& shape = samples[i].shape();
    if (samples[i].type() != PixelType::kU8 || shape.elements() == 0 || (shape.channels != 1 && shape.channels != 3))
      throw DataError("A contact sheet shows 8-bit pictures of 1 or 3 channels; \"" + captions[i] + "\" is none.");
    tile_height = std::max(tile_height, shape.height * scale);
    tile_width = std::max({tile_width, shape.width * scale, text_width(captions[i])});
  }
  columns = std::min<int64_t>(columns, static_cast<int64_t>(samples.size()));
  const int64_t rows = (static_cast<int64_t>(samples.size()) + columns - 1) / columns;
  const int64_t row_height = tile_height + kCaptionHeight + kGap, column_width = tile_width + kGap;
  Frames sheet(PixelType::kU8, {1, rows * row_height + kGap, columns * column_width + kGap, 3});
  std::memset(sheet.u8(), 255, sheet.size_bytes());
  cv::Mat canvas(static_cast<int>(sheet.shape().height), static_cast<int>(sheet.shape().width), CV_8UC3, sheet.u8());
  for (size_t i = 0; i < samples.size(); ++i) {
    const int64_t top = kGap + static_cast<int64_t>(i) / columns * row_height, left = kGap + static_cast<int64_t>(i) % columns * column_width;
    place(samples[i], scale, top, left, sheet);
    const int64_t baseline = top + samples[i].shape().height * scale + kCaptionHeight - 6;
    cv::putText(canvas, captions[i], cv::Point(static_cast<int>(left), static_cast<int>(baseline)), kFont, kFontScale, cv::Scalar(30, 30, 30), 1,
                cv::LINE_AA);
  }
  return sheet;
}

int64_t magnification(const FrameShape& shape, int64_t pixels) {
  const int64_t side = std::max<int64_t>({shape.height, shape.width, 1});
  return std::max<int64_t>(1, (pixels + side - 1) / side);
}

Frames contact_sheet(const Dataset& dataset, int64_t first, int64_t count, const Recipe* recipe, uint64_t seed) {
  if (first < 0 || first >= dataset.size() || count < 1)
    throw ConfigError("No sample to show: the first one asked for is " + std::to_string(first) + ", the split has the samples 0.." +
                      std::to_string(dataset.size() - 1) + ".");
  std::vector<Frames> samples;
  std::vector<std::string> captions;
  bool strips = false;
  for (int64_t i = first; i < first + std::min(count, dataset.size() - first); ++i) {
    const auto source = dataset.open(i);
    const SourceInfo info = source->info();
    Plan plan;
    if (recipe) plan = recipe->plan(info, Rng(seed, Purpose::kAugmentation, 0, static_cast<uint32_t>(i), 0), 0);
    else if (info.shape.frames > 1) plan.request.frames = spread_frames(info.shape.frames);
    Frames frames = source->decode(plan.request);
    const bool volume = frames.type() == PixelType::kI16;
    if (recipe) frames = picture_of(plan, std::move(frames), *recipe, info.name);
    else if (frames.type() == PixelType::kI16) frames = windowed(frames);
    captions.push_back(class_caption(dataset, info));
    // Of a recipe that takes a volume whole, some slices are shown.
    if (recipe && plan.request.frames.empty() && frames.shape().frames > kStripFrames) {
      plan.request.frames = spread_frames(frames.shape().frames);
      frames = chosen_frames(frames, plan.request.frames);
    }
    if (frames.shape().frames > 1 && frames.type() == PixelType::kU8) {
      strips = true;
      captions.back() = strip_caption(captions.back(), volume ? "slices" : "frames", plan.request.frames, info.shape.frames);
      samples.push_back(film_strip(frames));
    } else {
      samples.push_back(shrunk(std::move(frames)));
    }
  }
  return contact_sheet(samples, captions, strips ? 1 : 8, magnification(samples[0].shape()));
}

}  // namespace liere
