// Clips: which frames, which windows, and the tensor steps against the goldens of the paper's code, torch and OpenCV.
#include "data/transforms/clip_resize.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/check.h"
#include "core/rng.h"
#include "data/transforms/clip_sampling.h"
#include "data/transforms/geometry.h"
#include "data/transforms/rand_augment.h"
#include "support/golden_pictures.h"

using namespace liere;
using namespace liere::test;

namespace {

using Indices = std::vector<int64_t>;

const NormalizedBytes kImagenetBytes = normalized_bytes({.485f, .456f, .406f}, {.229f, .224f, .225f});
/// The bytes themselves, to see what a resize to bytes gave.
const NormalizedBytes kBytes = [] {
  NormalizedBytes bytes;
  for (auto& channel : bytes) std::iota(channel.begin(), channel.end(), 0.0f);
  return bytes;
}();

/// The first `count` frames of a golden clip [T, H, W, 3].
Frames clip_of(const safetensors::File& file, const std::string& name, int64_t count) {
  const auto& shape = file.info(name).shape;
  Frames clip(PixelType::kU8, {count, shape[1], shape[2], 3});
  std::memcpy(clip.u8(), file.data(name).data(), clip.size_bytes());
  return clip;
}

Box box_of(const safetensors::File& file, const std::string& name) {
  const auto box = values<int32_t>(file, name);
  return {box[0], box[1], box[2], box[3]};
}

double largest_difference(const std::vector<float>& found, const std::vector<float>& expected) {
  REQUIRE(found.size() == expected.size());
  double largest = 0;
  for (size_t i = 0; i < found.size(); ++i) largest = std::max(largest, std::abs(static_cast<double>(found[i]) - static_cast<double>(expected[i])));
  return largest;
}

/// OpenCV's resize of a clip, as bytes again.
Frames resized_bytes(const Frames& clip, PictureSize size) {
  std::vector<float> out(clip.shape().frames * size.height * size.width * 3);
  resize_window_normalized(clip, size, {0, 0, size.height, size.width}, false, kBytes, out.data());
  Frames bytes(PixelType::kU8, {clip.shape().frames, size.height, size.width, 3});
  const int64_t plane = clip.shape().frames * size.height * size.width;
  for (int64_t i = 0; i < plane; ++i)
    for (int64_t c = 0; c < 3; ++c) bytes.u8()[i * 3 + c] = static_cast<uint8_t>(out[c * plane + i]);
  return bytes;
}

/// The picture of the formula in the goldens' description.
Frames formula_picture(int64_t height, int64_t width, bool transposed) {
  Frames frames(PixelType::kU8, transposed ? FrameShape{1, width, height, 3} : FrameShape{1, height, width, 3});
  for (int64_t y = 0; y < height; ++y)
    for (int64_t x = 0; x < width; ++x)
      for (int64_t c = 0; c < 3; ++c)
        frames.u8()[(transposed ? x * height + y : y * width + x) * 3 + c] = static_cast<uint8_t>((7 * x + 13 * y + 29 * c + 5 * ((x * y) >> 3) + 3 * (x ^ y)) & 255);
  return frames;
}

Frames noise(int64_t frames, int64_t height, int64_t width, Rng& rng) {
  Frames result(PixelType::kU8, {frames, height, width, 3});
  for (size_t i = 0; i < result.size_bytes(); ++i) result.u8()[i] = static_cast<uint8_t>(rng.integer(256));
  return result;
}

}  // namespace

TEST_CASE("training clips are the release's frames", "[clip]") {
  const ClipSamplingConfig released{4, ClipSampling::kReleased};
  Rng rng(1, Purpose::kAugmentation), untouched(1, Purpose::kAugmentation);
  CHECK(draw_clip(released, 29, 8, rng) == Indices{0, 4, 9, 14, 19, 24, 28, 28});
  CHECK(draw_clip(released, 32, 8, rng) == Indices{0, 4, 9, 13, 18, 22, 27, 31});
  CHECK(draw_clip(released, 1, 8, rng) == Indices(8, 0));
  CHECK(draw_clip(released, 3, 8, rng) == Indices(8, 2));
  CHECK(draw_clip(released, 5, 8, rng) == Indices{0, 4, 4, 4, 4, 4, 4, 4});
  CHECK(rng.bits32() == untouched.bits32());  // no choice, no draw
  bool seen = false;
  std::vector<int> starts(168);
  for (uint32_t sample = 0; sample < 4000; ++sample) {
    Rng draw(2, Purpose::kAugmentation, 0, sample), expected(2, Purpose::kAugmentation, 0, sample);
    const auto frames = draw_clip(released, 200, 8, draw);
    const int64_t end = 32 + expected.integer(168);
    REQUIRE(frames.front() == end - 32);
    REQUIRE(frames.back() == end - 1);
    ++starts[static_cast<size_t>(frames.front())];
    if (end != 199) continue;
    seen = true;
    CHECK(frames == Indices{167, 171, 176, 180, 185, 189, 194, 198});
  }
  CHECK(seen);
  CHECK(std::all_of(starts.begin(), starts.end(), [](int count) { return count > 0 && count < 60; }));
}

TEST_CASE("training clips of exact stride", "[clip]") {
  const ClipSamplingConfig stride{4, ClipSampling::kStride};
  int64_t least = 1000, most = -1;
  for (uint32_t sample = 0; sample < 2000; ++sample) {
    Rng rng(3, Purpose::kAugmentation, 0, sample);
    const auto frames = draw_clip(stride, 100, 8, rng);
    for (size_t i = 1; i < frames.size(); ++i) REQUIRE(frames[i] == frames[i - 1] + 4);
    least = std::min(least, frames.front());
    most = std::max(most, frames.back());
  }
  CHECK(least == 0);
  CHECK(most == 99);
  Rng rng(3, Purpose::kAugmentation), untouched(3, Purpose::kAugmentation);
  CHECK(draw_clip(stride, 29, 8, rng) == Indices{0, 4, 8, 12, 16, 20, 24, 28});
  CHECK(draw_clip(stride, 10, 8, rng) == Indices{0, 4, 8, 9, 9, 9, 9, 9});
  CHECK(draw_clip(stride, 1, 8, rng) == Indices(8, 0));
  CHECK(rng.bits32() == untouched.bits32());
}

TEST_CASE("evaluation's segments are the release's and cover the video", "[clip]") {
  ClipSamplingConfig config;
  Indices starts;
  for (int64_t k = 0; k < 5; ++k) {
    const auto frames = segment_frames(config, 100, 8, k);
    for (size_t i = 1; i < 8; ++i) REQUIRE(frames[i] == frames[i - 1] + 4);
    starts.push_back(frames[0] / 4);
  }
  CHECK(starts == Indices{0, 4, 8, 12, 17});
  for (int64_t k = 0; k < 5; ++k) {
    CHECK(segment_frames(config, 29, 8, k) == Indices{0, 4, 8, 12, 16, 20, 24, 28});
    CHECK(segment_frames(config, 18, 8, k) == Indices{0, 4, 8, 12, 16, 16, 16, 16});
    CHECK(segment_frames(config, 1, 8, k) == Indices(8, 0));
  }
  for (const int64_t segments : {1, 2, 10})
    for (int64_t frames = 1; frames < 150; ++frames) {
      config.segments = segments;
      const int64_t strided = (frames + 3) / 4;
      const auto first = segment_frames(config, frames, 8, 0), last = segment_frames(config, frames, 8, segments - 1);
      if (segments > 1) {
        REQUIRE(first.front() == 0);
        REQUIRE(last.back() == (strided - 1) * 4);
      } else {
        REQUIRE(first.front() == std::max<int64_t>(strided - 8, 0) / 2 * 4);
      }
      REQUIRE(last.back() < frames);
    }
}

TEST_CASE("evaluation's crops lie along the longer side and cover it", "[clip]") {
  CHECK(size_with_short_side({240, 320}, 224) == PictureSize{224, 298});
  for (int64_t k = 0; k < 3; ++k) {
    CHECK(crop_along({224, 298}, 224, 3, k) == Box{0, 37 * k, 224, 224});
    CHECK(crop_along({298, 224}, 224, 3, k) == Box{37 * k, 0, 224, 224});
    CHECK(crop_along({224, 224}, 224, 3, k) == Box{0, 0, 224, 224});
  }
  CHECK(crop_along({224, 298}, 224, 1, 0) == Box{0, 37, 224, 224});
  CHECK(crop_along({32, 42}, 32, 2, 1) == Box{0, 10, 32, 32});
  CHECK(crop_along({32, 43}, 32, 3, 1) == Box{0, 5, 32, 32});  // 5.5 cut
}

TEST_CASE("clip tensor parity", "[parity][clip]") {
  const auto file = open_golden("augment_video_tensor.safetensors");
  if (!file) return;
  const auto normalised = values<float>(*file, "normalised");
  const Frames clip = clip_of(*file, "clip", 8);
  for (size_t i = 0; i < normalised.size(); ++i) REQUIRE(kImagenetBytes[i % 3][clip.u8()[i]] == normalised[i]);
  for (const auto& [name, frames] : {std::pair{"a", 8}, {"b", 8}, {"c", 2}, {"d", 2}, {"e", 2}}) {
    const auto expected = values<float>(*file, std::string("crop.") + name);
    const Frames part = clip_of(*file, "clip", frames);
    const Box box = box_of(*file, std::string("crop.") + name + ".box");
    std::vector<float> found(expected.size());
    resize_box_normalized(part, box, {32, 32}, false, kImagenetBytes, found.data());
    const double difference = largest_difference(found, expected);
    std::printf("crop.%s: largest difference %.2g\n", name, difference);
    CHECK(difference <= 1e-6);
    if (std::string(name) != "a") continue;
    resize_box_normalized(part, box, {32, 32}, true, kImagenetBytes, found.data());
    CHECK(largest_difference(found, values<float>(*file, "flip.a")) <= 1e-6);
  }
}

TEST_CASE("evaluation of clips is OpenCV's resize, bit for bit", "[parity][clip]") {
  const auto file = open_golden("augment_video_tensor.safetensors");
  if (!file) return;
  Comparison comparison("augment_video_tensor (OpenCV's resize)");
  for (const auto& [name, side, frames] : {std::tuple{"test32", 32, 8}, {"test56", 56, 2}}) {
    const std::string key = name;
    const Frames clip = clip_of(*file, "clip", frames);
    const PictureSize size = size_with_short_side({48, 64}, side);
    comparison.add(key, resized_bytes(clip, size), clip_of(*file, key + ".resized", frames));
    const auto starts = values<int32_t>(*file, key + ".starts");
    const Frames two = clip_of(*file, "clip", 2);
    for (int64_t k = 0; k < 3; ++k) {
      const Box window = crop_along(size, side, 3, k);
      CHECK(window.left == starts[static_cast<size_t>(k)]);
      const auto expected = values<float>(*file, key + ".crop" + std::to_string(k));
      std::vector<float> found(expected.size());
      resize_window_normalized(two, size, window, false, kImagenetBytes, found.data());
      CHECK(found == expected);
    }
  }
  const Frames half = clip_of(*file, "clip", 1);
  comparison.add("half", resized_bytes(half, {24, 32}), picture(*file, "half.resized"));
  comparison.add_digest("224", resized_bytes(formula_picture(240, 320, false), {224, 298}), values<uint8_t>(*file, "test224.sha256"));
  comparison.add_digest("portrait", resized_bytes(formula_picture(240, 320, true), {298, 224}), values<uint8_t>(*file, "test224.portrait.sha256"));
  comparison.finish();
}

TEST_CASE("resizes of a synthetic clip parity", "[parity][clip]") {
  const auto file = open_golden("clip_synthetic.safetensors");
  REQUIRE(file);  // part of the source
  const Frames clip = clip_of(*file, "clip", 2);
  for (const std::string name : {"up", "down", "thin"}) {
    const auto expected = values<float>(*file, "crop." + name);
    std::vector<float> found(expected.size());
    resize_box_normalized(clip, box_of(*file, "crop." + name + ".box"), {12, 12}, false, kImagenetBytes, found.data());
    INFO(name);
    CHECK(largest_difference(found, expected) <= 1e-6);
  }
  Comparison comparison("clip_synthetic (OpenCV's resize)");
  for (const int64_t side : {12, 24}) {
    const std::string key = "cv." + std::to_string(side);
    const auto& shape = file->info(key).shape;
    const Frames found = resized_bytes(clip, size_with_short_side({17, 23}, side));
    comparison.add(key, found, clip_of(*file, key, shape[0]));
  }
  comparison.finish();
}

TEST_CASE("clip recipe parity: the paper's whole training path", "[parity][clip]") {
  const auto file = open_golden("augment_video_tensor.safetensors");
  if (!file) return;
  const Frames clip = clip_of(*file, "clip", 8);
  const auto operation = values<int32_t>(*file, "whole.op"), applied = values<int32_t>(*file, "whole.applied"), flip = values<int32_t>(*file, "whole.flip");
  const auto argument = values<double>(*file, "whole.arg");
  std::vector<DrawnOperation> drawn;
  for (size_t i = 0; i < operation.size(); ++i) {
    if (!applied[i]) continue;
    const auto& entry = rand_augment_operations(RandAugmentKind::kIncreasing)[static_cast<size_t>(operation[i])];
    const bool factor = entry.draw == AugmentOperation::Draw::kSign && !entry.matrix;
    drawn.push_back({&entry, {argument[i] - (factor ? 1 : 0)}});
  }
  REQUIRE(!drawn.empty());
  const Box box = box_of(*file, "whole.box"), source = operations_source_box(drawn, 48, 64, box);
  const Frames seen = apply_operations_in_window(crop(clip, source), source, 48, 64, drawn, box);
  auto expected = values<float>(*file, "whole.out");
  std::vector<float> found(expected.size());
  resize_box_normalized(seen, {0, 0, box.height, box.width}, {32, 32}, flip[0] != 0, kImagenetBytes, found.data());
  const Box erased = box_of(*file, "whole.erase.box");
  const auto erase_noise = values<float>(*file, "whole.erase.noise");
  for (int64_t t = 0; t < 8; ++t)
    for (int64_t c = 0; c < 3; ++c)
      for (int64_t y = 0; y < erased.height; ++y)
        for (int64_t x = 0; x < erased.width; ++x)
          found[static_cast<size_t>(((c * 8 + t) * 32 + erased.top + y) * 32 + erased.left + x)] =
              erase_noise[static_cast<size_t>(((t * 3 + c) * erased.height + y) * erased.width + x)];
  CHECK(largest_difference(found, expected) <= 1e-6);
}

TEST_CASE("resizes of clips: every form, every window, mirrored", "[clip]") {
  Rng rng(7, Purpose::kShuffle, 0);
  for (int i = 0; i < 60; ++i) {
    const int64_t height = 1 + rng.integer(40), width = 1 + rng.integer(40), side = 1 + rng.integer(40);
    const Frames clip = noise(2, height, width, rng);
    const Box box{rng.integer(height), rng.integer(width), 1, 1};
    const Box grown{box.top, box.left, 1 + rng.integer(height - box.top), 1 + rng.integer(width - box.left)};
    std::vector<float> first(2 * 3 * side * side), other(first.size());
    for (const bool flip : {false, true}) {
      resize_box_normalized(clip, grown, {side, side}, flip, kImagenetBytes, first.data(), InstructionSet::kBaseline);
      for (const auto set : {InstructionSet::kAvx2, InstructionSet::kAvx512}) {
        resize_box_normalized(clip, grown, {side, side}, flip, kImagenetBytes, other.data(), set);
        REQUIRE(first == other);
      }
      resize_box_normalized(crop(clip, grown), {0, 0, grown.height, grown.width}, {side, side}, flip, kImagenetBytes, other.data());
      REQUIRE(first == other);
    }
    const PictureSize size = size_with_short_side({height, width}, side);
    const Frames whole = resized_bytes(clip, size);
    const Box window = crop_along(size, side, 4, i % 4);
    const Frames expected = crop(whole, window);
    for (const bool flip : {false, true})
      for (const auto set : {InstructionSet::kBaseline, InstructionSet::kAvx2, InstructionSet::kAvx512}) {
        resize_window_normalized(clip, size, window, flip, kBytes, other.data(), set);
        for (int64_t t = 0; t < 2; ++t)
          for (int64_t y = 0; y < side; ++y)
            for (int64_t x = 0; x < side; ++x)
              for (int64_t c = 0; c < 3; ++c)
                REQUIRE(other[static_cast<size_t>(((c * 2 + t) * side + y) * side + (flip ? side - 1 - x : x))] ==
                        static_cast<float>(expected.u8()[((t * side + y) * side + x) * 3 + c]));
      }
  }
  const Frames clip = noise(1, 8, 8, rng);
  std::vector<float> out(3 * 64);
  CHECK_THROWS_AS(resize_box_normalized(clip, {4, 4, 5, 2}, {8, 8}, false, kBytes, out.data()), DataError);
  CHECK_THROWS_AS(resize_window_normalized(clip, {8, 10}, {0, 3, 8, 8}, false, kBytes, out.data()), DataError);
}
