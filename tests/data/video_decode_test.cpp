// Videos that are sound: what is counted, in which order frames come, what is kept, the colours.
#include <cstring>
#include <iostream>
#include <numeric>

#include "core/check.h"
#include "core/files.h"
#include "data/decode/video.h"
#include "data/made_videos.h"
#include "support/catch.h"
#include "support/fixtures.h"
#include "support/sha256.h"

using namespace liere;

#ifdef LIERE_VIDEO
using namespace liere::test;

namespace {

std::vector<int64_t> up_to(int64_t n) {
  std::vector<int64_t> indices(n);
  std::iota(indices.begin(), indices.end(), 0);
  return indices;
}

Frames all_of(const std::string& bytes, VideoLimits limits = {}) {
  VideoDecoder decoder(bytes, "made.avi", limits);
  return decoder.frames(up_to(decoder.shape().frames));
}

bool same_frame(const Frames& a, int64_t i, const Frames& b, int64_t k) {
  const size_t bytes = a.size_bytes() / static_cast<size_t>(a.shape().frames);
  return std::memcmp(a.u8() + i * static_cast<int64_t>(bytes), b.u8() + k * static_cast<int64_t>(bytes), bytes) == 0;
}

}  // namespace

TEST_CASE("video: every form that data sets have decodes to the frames that were put in") {
  const auto video = GENERATE(MadeVideo{}, MadeVideo{.tag = "XVID"}, MadeVideo{.tag = "DIVX"}, MadeVideo{.b_frames = 2}, MadeVideo{.sound = true},
                              MadeVideo{.codec = "mjpeg"}, MadeVideo{.container = "mp4"}, MadeVideo{.container = "matroska"}, MadeVideo{.frames = 1},
                              MadeVideo{.frames = 7, .width = 62, .height = 46}, MadeVideo{.codec = "rawvideo"});
  CAPTURE(video.codec, video.container, video.frames, video.b_frames);
  const std::string bytes = made_video(video);
  VideoDecoder decoder(bytes, "made");
  const VideoShape shape = decoder.shape();
  REQUIRE(shape.frames == video.frames);
  REQUIRE(shape.height == video.height);
  REQUIRE(shape.width == video.width);
  const Frames frames = decoder.frames(up_to(shape.frames));
  REQUIRE(frames.shape() == FrameShape{video.frames, video.height, video.width, 3});
  // The first pixel's luma goes up by 7 a frame: brightness tells the order.
  const int64_t stride = int64_t(3) * video.height * video.width;
  for (int64_t i = 1; i < video.frames; ++i) {
    double before = 0, now = 0;
    for (int64_t p = 0; p < 3 * 8; ++p) before += frames.u8()[(i - 1) * stride + p], now += frames.u8()[i * stride + p];
    CHECK(now > before);
  }
}

TEST_CASE("video: frames in any order, repeated, in one request or several, with room for all, some or none, are those of one pass") {
  const std::string bytes = made_video({.frames = 20, .b_frames = 1});
  const Frames whole = all_of(bytes);
  const std::vector<int64_t> order = {7, 0, 19, 7, 3, 3, 12, 18, 1};
  for (const auto& [held, known] :
       {std::pair(int64_t(64) << 20, 0), {int64_t(64) << 20, 20}, {int64_t(30000), 0}, {int64_t(30000), 20}, {int64_t(0), 20}}) {
    CAPTURE(held, known);
    VideoDecoder decoder(bytes, "made.avi", {.held_bytes = held}, known);
    for (int round = 0; round < 2; ++round) {
      const Frames some = decoder.frames(order);
      for (size_t i = 0; i < order.size(); ++i) CHECK(same_frame(some, static_cast<int64_t>(i), whole, order[i]));
    }
    CHECK(decoder.shape().frames == 20);
    for (const int64_t index : {19, 0, 10}) CHECK(same_frame(decoder.frames({index}), 0, whole, index));
  }
}

TEST_CASE("video: a count from an index is believed until the end is seen") {
  const std::string bytes = made_video();
  VideoDecoder known(bytes, "made.avi", {}, 12);
  CHECK(known.shape().frames == 12);
  CHECK(known.frames({11}).shape().frames == 1);
  VideoDecoder wrong(bytes, "made.avi", {}, 15);
  CHECK(wrong.shape().frames == 15);
  CHECK_THROWS_AS(wrong.frames({14}), DataError);
}

TEST_CASE("video: frames that are not there, and requests of none, are refused") {
  VideoDecoder decoder(made_video(), "made.avi");
  for (const int64_t index : {-1, 12, 1000}) CHECK_THROWS_AS(decoder.frames({index}), DataError);
  CHECK_THROWS_AS(decoder.frames({}), DataError);
  CHECK(decoder.frames({11}).shape().frames == 1);
}

TEST_CASE("video: limits of pixels, frames and time are kept") {
  const std::string bytes = made_video();
  CHECK_THROWS_AS(all_of(bytes, {.max_pixels = 64 * 48 - 1}), DataError);
  CHECK(all_of(bytes, {.max_pixels = 64 * 48}).shape().frames == 12);
  CHECK_THROWS_AS(all_of(bytes, {.max_frames = 11}), DataError);
  CHECK(all_of(bytes, {.max_frames = 12}).shape().frames == 12);
  CHECK_THROWS_AS(all_of(bytes, {.seconds = 1e-9}), DataError);
}

TEST_CASE("video: the six clips of UCF101 have as many frames as ffprobe counts, twice the same") {
  const auto folder = shared_folder() / "data/ucf101/videos";
  if (!std::filesystem::exists(folder)) {
    std::cout << "skipped: " << folder.string() << " is not there\n";
    return;
  }
  // ffprobe -count_frames (FFmpeg 5.1.9)
  const std::vector<std::pair<std::string, int64_t>> clips = {
      {"ApplyEyeMakeup/v_ApplyEyeMakeup_g01_c01.avi", 164}, {"BaseballPitch/v_BaseballPitch_g01_c01.avi", 107},
      {"CricketBowling/v_CricketBowling_g01_c05.avi", 60},  {"CricketBowling/v_CricketBowling_g25_c07.avi", 76},
      {"CricketShot/v_CricketShot_g22_c01.avi", 170},       {"Rowing/v_Rowing_g16_c03.avi", 135}};
  for (const auto& [name, count] : clips) {
    CAPTURE(name);
    const std::string bytes = read_file(folder / name);
    const Frames first = all_of(bytes), second = all_of(bytes);
    CHECK(first.shape() == FrameShape{count, 240, 320, 3});
    CHECK(sha256(first.u8(), first.size_bytes()) == sha256(second.u8(), second.size_bytes()));
  }
}

#else
TEST_CASE("video: a build without it says how to get it") {
  CHECK_FALSE(video_supported());
  CHECK_THROWS_AS(VideoDecoder("RIFF", "a.avi"), ConfigError);
}
#endif
