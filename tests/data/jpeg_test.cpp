// JPEG: a part equals the part of the whole in every layout of the format; the bytes that Pillow decodes; damage is an error that names the picture.
#include <cstring>
#include <fstream>
#include <sstream>

#include "core/check.h"
#include "core/files.h"
#include "core/rng.h"
#include "data/decode/decoders.h"
#include "data/decode/image.h"
#include "data/encoded_pictures.h"
#include "data/transforms/geometry.h"
#include "support/golden_pictures.h"
#include "support/matchers.h"

using namespace liere;
using namespace liere::test;
using namespace std::string_literals;

namespace {

bool same(const Frames& a, const Frames& b) { return a.shape() == b.shape() && std::memcmp(a.u8(), b.u8(), a.size_bytes()) == 0; }

Box random_box(int64_t height, int64_t width, Rng& rng) {
  const int64_t h = 1 + rng.integer(height), w = 1 + rng.integer(width);
  return {rng.integer(height - h + 1), rng.integer(width - w + 1), h, w};
}

/// Size written into the frame header of an encoded file.
std::string with_size(std::string bytes, int height, int width) {
  for (size_t at = 2; at + 8 < bytes.size();) {
    const auto marker = static_cast<uint8_t>(bytes[at + 1]);
    if (marker >= 0xc0 && marker <= 0xc2) {
      const char size[] = {static_cast<char>(height >> 8), static_cast<char>(height), static_cast<char>(width >> 8), static_cast<char>(width)};
      return bytes.replace(at + 5, 4, size, 4);
    }
    at += 2 + (static_cast<uint8_t>(bytes[at + 2]) << 8 | static_cast<uint8_t>(bytes[at + 3]));
  }
  FAIL("no frame header");
  return bytes;
}

size_t find_segment(const std::string& bytes, uint8_t marker) {
  const size_t at = bytes.find("\xff"s + static_cast<char>(marker));
  REQUIRE(at != std::string::npos);
  return at;
}

}  // namespace

TEST_CASE("a box of a JPEG equals the crop of the whole", "[jpeg]") {
  Rng rng(1, Purpose::kShuffle, 0);
  const std::pair<int, int> samplings[] = {{1, 1}, {2, 1}, {2, 2}, {1, 2}, {4, 1}, {1, 4}, {4, 2}, {2, 4}};
  for (const auto& [horizontal, vertical] : samplings)
    for (const bool progressive : {false, true})
      for (const auto& [height, width] : {std::pair{101, 117}, {64, 96}, {35, 9}, {7, 150}, {1, 1}}) {
        const std::string bytes = encode_jpeg(formula_picture(height, width), {horizontal, vertical, 80, progressive, false, progressive ? 0 : 1});
        const Frames whole = decode_image(bytes, "whole.JPEG");
        REQUIRE(whole.shape() == FrameShape{1, height, width, 3});
        for (int i = 0; i < 30; ++i) {
          const Box box = random_box(height, width, rng);
          INFO(horizontal << "x" << vertical << (progressive ? " progressive " : " ") << height << "x" << width << ": " << box.height << "x"
                          << box.width << " at " << box.top << ", " << box.left);
          REQUIRE(same(decode_image(bytes, "part.JPEG", box), crop(whole, box)));
        }
      }
}

TEST_CASE("boxes of grey, CMYK and arithmetic coded JPEGs", "[jpeg]") {
  Rng rng(2, Purpose::kShuffle, 0);
  const std::string files[] = {encode_jpeg(formula_picture(70, 90, 1)),
                               encode_jpeg(formula_picture(70, 90, 1), {.two_scans = true}),
                               encode_jpeg(formula_picture(70, 90, 4), {2, 2}),
                               encode_jpeg(formula_picture(70, 90, 4), {.adobe = false}),
                               encode_jpeg(formula_picture(70, 90), {2, 2, 90, false, true}),
                               encode_jpeg(formula_picture(70, 90), {2, 1, 90, true, true})};
  for (const auto& bytes : files) {
    const Frames whole = decode_image(bytes, "whole.JPEG");
    for (int i = 0; i < 40; ++i) {
      const Box box = random_box(70, 90, rng);
      REQUIRE(same(decode_image(bytes, "part.JPEG", box), crop(whole, box)));
    }
  }
}

TEST_CASE("boxes of a progressive JPEG whose last scans were never made", "[jpeg]") {
  Rng rng(4, Purpose::kShuffle, 0);
  const std::string bytes = encode_jpeg(formula_picture(70, 90), {.horizontal = 2, .vertical = 2, .quality = 50, .progressive = true});
  size_t scan = 0;
  for (int i = 0; i < 3; ++i) scan = bytes.find("\xff\xda"s, scan + 2);
  REQUIRE(scan != std::string::npos);
  const std::string early = bytes.substr(0, bytes.rfind("\xff\xc4"s, scan)) + "\xff\xd9";
  const Frames whole = decode_image(early, "early.JPEG");
  CHECK(!same(whole, decode_image(bytes, "a.JPEG")));
  for (int i = 0; i < 100; ++i) {
    const Box box = random_box(70, 90, rng);
    REQUIRE(same(decode_image(early, "part.JPEG", box), crop(whole, box)));
  }
}

TEST_CASE("a JPEG's header", "[jpeg]") {
  for (const int64_t channels : {1, 3, 4}) {
    const auto info = read_image_info(encode_jpeg(formula_picture(33, 47, channels)), "a.JPEG");
    CHECK(info.format == ImageFormat::kJpeg);
    CHECK(info.height == 33);
    CHECK(info.width == 47);
    CHECK(info.components == channels);
  }
}

TEST_CASE("grey becomes three equal channels near the original", "[jpeg]") {
  Frames slope(PixelType::kU8, {1, 40, 50, 1});
  for (int64_t i = 0; i < 2000; ++i) slope.u8()[i] = static_cast<uint8_t>(i % 50 + i / 50 * 3);
  const Frames found = decode_image(encode_jpeg(slope, {.quality = 100}), "grey.JPEG");
  for (int64_t i = 0; i < 2000; ++i) {
    REQUIRE(found.u8()[i * 3] == found.u8()[i * 3 + 1]);
    REQUIRE(found.u8()[i * 3] == found.u8()[i * 3 + 2]);
    REQUIRE(std::abs(found.u8()[i * 3] - slope.u8()[i]) <= 2);
  }
}

TEST_CASE("arithmetic and progressive coding change no pixel", "[jpeg]") {
  const Frames picture = formula_picture(61, 83);
  for (const auto& [horizontal, vertical] : {std::pair{1, 1}, {2, 2}}) {
    const Frames plain = decode_image(encode_jpeg(picture, {horizontal, vertical}), "a.JPEG");
    CHECK(same(plain, decode_image(encode_jpeg(picture, {horizontal, vertical, 90, true}), "a.JPEG")));
    CHECK(same(plain, decode_image(encode_jpeg(picture, {horizontal, vertical, 90, false, true}), "a.JPEG")));
  }
}

TEST_CASE("a truncated JPEG is an error wherever it ends", "[jpeg]") {
  for (const JpegOptions& options :
       {JpegOptions{2, 2}, JpegOptions{.progressive = true}, JpegOptions{.arithmetic = true}, JpegOptions{.restart_rows = 1}}) {
    const std::string bytes = encode_jpeg(formula_picture(48, 64), options);
    for (size_t length = 1; length + 2 < bytes.size(); length += length < 700 ? 7 : 41) {
      INFO("the first " << length << " of " << bytes.size() << " bytes");
      // The last bits of arithmetic coding may be left out: it goes on with zeros.
      if (options.arithmetic && length + 40 > bytes.size()) continue;
      REQUIRE_THROWS_WITH(decode_image(bytes.substr(0, length), "n01_short.JPEG"), has("n01_short.JPEG: "));
      REQUIRE_THROWS_AS(decode_image(bytes.substr(0, length), "n01_short.JPEG"), DataError);
    }
  }
  const std::string bytes = encode_jpeg(formula_picture(480, 640));
  CHECK_THROWS_WITH(decode_image(bytes.substr(0, bytes.size() / 2), "half.JPEG"), has("Premature end of JPEG file"));
  CHECK(decode_image(bytes.substr(0, bytes.size() / 2), "half.JPEG", Box{0, 0, 100, 640}).shape().height == 100);  // what lies below is not read
}

TEST_CASE("damaged entropy-coded data are an error, stray bytes between segments are not", "[jpeg]") {
  const std::string bytes = encode_jpeg(formula_picture(96, 96), {.restart_rows = 1});
  std::string lost = bytes;
  lost.erase(find_segment(bytes, 0xd3), 2);
  CHECK_THROWS_WITH(decode_image(lost, "lost.JPEG"), has("lost.JPEG: the JPEG cannot be decoded: "));

  std::string stray = bytes;
  stray.insert(find_segment(bytes, 0xdb), 5, '\x11');
  CHECK(same(decode_image(stray, "stray.JPEG"), decode_image(bytes, "a.JPEG")));
}

TEST_CASE("sizes that no photograph has are refused before anything is decoded", "[jpeg]") {
  const std::string bytes = encode_jpeg(formula_picture(16, 16));
  CHECK_THROWS_WITH(read_image_info(with_size(bytes, 65500, 65500), "bomb.JPEG"), has("at most 178956970 pixels, found 65500x65500"));
  CHECK_THROWS_WITH(decode_image(with_size(bytes, 65535, 65535), "bomb.JPEG"), has("bomb.JPEG: "));
  CHECK_THROWS_WITH(decode_image(with_size(bytes, 13000, 13000), "bomb.JPEG"), has("bytes cannot hold"));
  CHECK_THROWS_WITH(decode_image(with_size(bytes, 0, 16), "bomb.JPEG"), has("bomb.JPEG: "));
  const std::string progressive = encode_jpeg(formula_picture(16, 16), {.progressive = true});
  CHECK_THROWS_WITH(decode_image(with_size(progressive, 13000, 13000), "bomb.JPEG"), has("bytes cannot hold"));
}

TEST_CASE("a progressive JPEG of endless scans is refused", "[jpeg]") {
  const std::string bytes = encode_jpeg(formula_picture(64, 64, 1), {.two_scans = true});
  const size_t last = bytes.rfind("\xff\xc4"s), end = bytes.size() - 2;  // the last scan with its table
  REQUIRE(last != std::string::npos);
  const auto with_scans = [&](int repetitions) {
    std::string result = bytes.substr(0, end);
    for (int i = 0; i < repetitions; ++i) result += bytes.substr(last, end - last);
    return result + bytes.substr(end);
  };
  CHECK(same(decode_image(with_scans(90), "a.JPEG"), decode_image(bytes, "a.JPEG")));
  CHECK_THROWS_WITH(decode_image(with_scans(150), "bomb.JPEG"), has("more scans (101) than a picture of this size needs"));
}

TEST_CASE("what is no picture says what it looks like", "[jpeg]") {
  CHECK_THROWS_WITH(read_image_info("", "a.JPEG"), has("a.JPEG: expected a picture, found an empty file"));
  CHECK_THROWS_WITH(decode_image(std::string(1000, '\0'), "a.JPEG"), has("found zero bytes"));
  CHECK_THROWS_WITH(decode_image("\n<!DOCTYPE html><html>", "a.JPEG"), has("found a page of HTML or XML (\"<!DOCTYPE html><"));
  CHECK_THROWS_WITH(decode_image("Not found", "a.JPEG"), has("it begins with \"Not found\""));
  CHECK_THROWS_AS(decode_image("\xff\xd8\xff", "a.JPEG"), DataError);
  CHECK_THROWS_WITH(decode_image("RIFF\1", "a.JPEG"), has("it begins with \"RIFF.\""));
  CHECK_THROWS_WITH(decode_image("RIFF\1\1\1\1WEBP", "a.JPEG"), has("a WebP"));
  CHECK_THROWS_WITH(decode_image("GIF89a..............", "a.JPEG"), has("a GIF"));
}

TEST_CASE("a box outside the picture is refused", "[jpeg]") {
  const std::string bytes = encode_jpeg(formula_picture(20, 30));
  for (const Box box : {Box{0, 0, 21, 30}, Box{-1, 0, 5, 5}, Box{0, 28, 5, 3}, Box{0, 0, 0, 5}, Box{int64_t(1) << 62, 0, 1, 1}})
    CHECK_THROWS_WITH(decode_image(bytes, "a.JPEG", box), has("expected a box inside the picture of 30x20"));
}

TEST_CASE("JPEG parity with Pillow", "[parity][jpeg]") {
  const auto table = golden_folder() / "augment_jpeg.tsv";
  const auto folder = shared_folder() / "data/imagenet/sample";
  if (!std::filesystem::exists(table) || !std::filesystem::exists(folder)) {
    std::printf("skipped: no %s or %s\n", table.c_str(), folder.c_str());
    return;
  }
  std::ifstream lines(table);
  int compared = 0;
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("#")) continue;
    std::istringstream fields(line);
    std::string path, sampling, digest;
    int64_t width = 0, height = 0, components = 0;
    fields >> path >> width >> height >> components >> sampling >> digest;
    const std::string bytes = read_file(folder / path);
    const auto info = read_image_info(bytes, path);
    const Frames frames = decode_image(bytes, path);
    INFO(path);
    CHECK(info.components == components);
    CHECK(frames.shape() == FrameShape{1, height, width, 3});
    std::string found;
    for (const uint8_t byte : sha256(frames.u8(), frames.size_bytes())) {
      char text[3];
      std::snprintf(text, sizeof text, "%02x", byte);
      found += text;
    }
    CHECK(found == digest);
    ++compared;
  }
  std::printf("augment_jpeg: %d pictures\n", compared);
  CHECK(compared == 20);
}

TEST_CASE("all pictures of the ImageNet sample decode, and boxes of them", "[jpeg]") {
  const auto folder = shared_folder() / "data/imagenet/sample";
  if (!std::filesystem::exists(folder)) {
    std::printf("skipped: no %s\n", folder.c_str());
    return;
  }
  Rng rng(3, Purpose::kShuffle, 0);
  int decoded = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
    if (entry.path().extension() != ".JPEG") continue;
    const std::string bytes = read_file(entry.path());
    const Frames whole = decode_image(bytes, entry.path());
    const Box box = random_box(whole.shape().height, whole.shape().width, rng);
    INFO(entry.path());
    CHECK(same(decode_image(bytes, entry.path(), box), crop(whole, box)));
    ++decoded;
  }
  CHECK(decoded == 250);
}
