// Videos that are not sound: each is a DataError that names the file within five seconds, or is decoded by a rule that is written beside it.
#include <chrono>
#include <functional>

#include "core/check.h"
#include "data/decode/video.h"
#include "data/made_videos.h"
#include "support/catch.h"
#include "support/matchers.h"

using namespace liere;

#ifdef LIERE_VIDEO
using namespace liere::test;

namespace {

struct Case {
  std::string name;
  std::string bytes;
  int64_t frames = 0;     // that are decoded by the rule; 0: refused
  std::string says = "";  // part of the refusal
  VideoLimits limits = {};
};

std::string with_number(std::string bytes, size_t at, uint32_t value) {
  for (size_t i = 0; i < 4; ++i) bytes.at(at + i) = static_cast<char>(value >> (8 * i));
  return bytes;
}
size_t place_of(const std::string& bytes, std::string_view word, size_t from = 0) {
  const size_t at = bytes.find(word, from);
  REQUIRE(at != std::string::npos);
  return at;
}

/// The header's size after what was cut or added, so that the length alone does not tell.
std::string with_own_size(std::string bytes) { return with_number(bytes, 4, static_cast<uint32_t>(bytes.size() - 8)); }

/// avih holds 14 numbers behind its length: frames at 4, streams at 6, width at 8, height at 9.
size_t avih(const std::string& bytes, size_t number) { return place_of(bytes, "avih") + 8 + 4 * number; }
size_t strf(const std::string& bytes, size_t number) { return place_of(bytes, "strf") + 8 + 4 * number; }

std::vector<Case> bad_videos() {
  const std::string good = made_video(), jpegs = made_video({.codec = "mjpeg"}), mp4 = made_video({.container = "mp4"}),
                    mkv = made_video({.container = "matroska"});
  std::vector<Case> cases;
  for (int percent = 10; percent <= 90; percent += 10) {
    const auto cut = [&](const std::string& bytes) { return bytes.substr(0, bytes.size() * percent / 100); };
    const std::string at = " cut at " + std::to_string(percent) + " %";
    cases.push_back({"AVI" + at, cut(good), 0, "ends after"});
    cases.push_back({"MP4" + at, cut(mp4)});
    cases.push_back({"motion JPEG" + at, cut(jpegs), 0, "ends after"});
  }
  cases.push_back({"nothing", "", 0, "is empty"});
  cases.push_back({"one byte", "R", 0, "expected a video"});
  cases.push_back({"zero bytes", std::string(100000, '\0'), 0, "expected a video"});
  cases.push_back({"HTML", "<!DOCTYPE html><html><body>404 Not Found</body></html>", 0, "expected a video"});
  cases.push_back({"a JPEG", "\xff\xd8\xff\xe0" + std::string(1000, 'x'), 0, "expected a video"});
  cases.push_back({"another RIFF", "RIFF" + std::string("\x24\0\0\0WAVEfmt ", 12), 0, "expected a video"});
  cases.push_back({"an AVI's first 12 bytes", with_own_size(good.substr(0, 12))});
  cases.push_back({"its header alone", with_own_size(good.substr(0, place_of(good, "movi") - 8))});
  cases.push_back({"no frames", made_video({.frames = 0}), 0, "no frame could be decoded"});
  cases.push_back({"sound alone", made_video({.video = false, .sound = true}), 0, "no video"});
  cases.push_back({"a picture's size that changes", made_video({.codec = "mjpeg", .second_width = 32, .second_height = 32}), 0, "expected 64x48"});
  cases.push_back({"a header of 65500x65500", with_number(with_number(good, strf(good, 1), 65500), strf(good, 2), 65500), 0, "65500x65500"});
  cases.push_back({"a width of 0 in the header of motion JPEG", with_number(jpegs, strf(jpegs, 1), 0), 12});  // the pictures' own size counts
  cases.push_back({"a negative height", with_number(good, strf(good, 2), uint32_t(-48)), 12});                // how bitmaps say "from the top down"
  cases.push_back({"an unknown codec", [&] {
                     std::string bytes = good;
                     bytes.replace(place_of(bytes, "FMP4"), 4, "ZZZZ");
                     return bytes.replace(place_of(bytes, "FMP4"), 4, "ZZZZ");
                   }()});
  cases.push_back({"too many frames", good, 0, "more than 11 frames", {.max_frames = 11}});
  cases.push_back({"too large pictures", good, 0, "expected at most 3000", {.max_pixels = 3000}});
  cases.push_back({"no time", good, 0, "took more than", {.seconds = 1e-9}});
  cases.push_back({"one frame", made_video({.frames = 1}), 1});
  cases.push_back({"three frames", made_video({.frames = 3}), 3});
  // What is decoded counts, not what headers say.
  cases.push_back({"a header that says 4 billion frames", with_number(good, avih(good, 4), 0xffffffff), 12});
  cases.push_back({"a header that says no frames", with_number(good, avih(good, 4), 0), 12});
  cases.push_back({"a header that says 200 streams", with_number(good, avih(good, 6), 200), 12});
  // A recorder that never came to its end: without index, sizes never filled in. What is there is whole.
  const size_t index = place_of(good, "idx1");
  cases.push_back({"no index", with_own_size(good.substr(0, index)), 12});
  cases.push_back({"no index and no size", with_number(good.substr(0, index), 4, 0), 12});
  cases.push_back({"an index of nonsense",
                   [&] {
                     std::string bytes = good;
                     for (size_t i = index + 8; i < bytes.size(); ++i) bytes[i] = static_cast<char>(i * 7);
                     return bytes;
                   }(),
                   12});
  cases.push_back({"bytes behind the end", good + std::string(5000, 'z'), 12});
  const size_t first = place_of(good, "00dc", place_of(good, "movi"));
  cases.push_back({"a frame that says it is larger than the file", with_number(good, first + 4, 0x7fffffff)});
  cases.push_back({"a frame of noise", [&] {
                     std::string bytes = good;
                     const size_t at = place_of(bytes, "00dc", first + 4) + 40;
                     for (size_t i = 0; i < 200; ++i) bytes[at + i] = static_cast<char>(i * 131 + 17);
                     return bytes;
                   }()});
  cases.push_back({"frames without the first", [&] {
                     std::string bytes = good;
                     return bytes.replace(first, 4, "JUNK");
                   }()});
  cases.push_back({"Matroska cut in its middle", mkv.substr(0, mkv.size() / 2)});
  return cases;
}

}  // namespace

TEST_CASE("bad video: each is refused with its name, or decoded by its rule, within five seconds") {
  const auto cases = bad_videos();
  REQUIRE(cases.size() == 58);  // docs/reliability.md says so
  for (const auto& bad : cases) {
    CAPTURE(bad.name);
    const auto start = std::chrono::steady_clock::now();
    try {
      VideoDecoder decoder(bad.bytes, "folder/bad.avi", bad.limits);
      const int64_t frames = decoder.shape().frames;
      CHECK(frames == bad.frames);
      decoder.frames({frames - 1});
    } catch (const DataError& error) {
      CHECK(bad.frames == 0);
      const std::string message = error.what();
      INFO(message);
      CHECK_THAT(message, has("folder/bad.avi") && has(bad.says));
      CHECK(message.back() == '.');
      CHECK(message.find('\n') == std::string::npos);
    }
    CHECK(std::chrono::steady_clock::now() - start < std::chrono::seconds(5));
  }
}

TEST_CASE("bad video: after a bad one the next good one decodes as ever") {
  const std::string good = made_video();
  VideoDecoder before(good, "good.avi");
  const Frames expected = before.frames({0, 11});
  for (const auto& bad : bad_videos()) {
    try {
      VideoDecoder(bad.bytes, "bad.avi", bad.limits).shape();
    } catch (const DataError&) {
    }
    const Frames found = VideoDecoder(good, "good.avi").frames({0, 11});
    REQUIRE(std::memcmp(expected.u8(), found.u8(), expected.size_bytes()) == 0);
  }
}
#endif
