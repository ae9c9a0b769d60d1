// Antialiased resize and centre crop against Pillow and torchvision, bit for bit (parity).
#include <cstdio>
#include <filesystem>

#include "core/files.h"
#include "data/decode/image.h"
#include "data/transforms/geometry.h"
#include "data/transforms/resize.h"
#include "support/golden_pictures.h"

using namespace liere;
using namespace liere::test;
namespace fs = std::filesystem;

namespace {

constexpr std::pair<const char*, ResizeFilter> kFilters[] = {{"bilinear", ResizeFilter::kBilinear}, {"bicubic", ResizeFilter::kBicubic}};

PictureSize size_of(const Frames& frames) { return {frames.shape().height, frames.shape().width}; }

/// Rows and columns 80..143.
Frames middle(const Frames& frames) { return crop(frames, {80, 80, 64, 64}); }

void compare_short_side(const safetensors::File& file, const std::string& key, const Frames& in, ResizeFilter filter, Comparison& comparison) {
  const auto size = size_with_short_side(size_of(in), 256);
  const auto expected_size = values<int32_t>(file, key + ".size");
  CHECK(size == PictureSize{expected_size[0], expected_size[1]});
  const Frames resized = resize(in, size.height, size.width, filter);
  if (file.contains(key + ".sha256")) comparison.add_digest(key, resized, values<uint8_t>(file, key + ".sha256"));
  const Frames cropped = crop(resized, centre_crop_box(size, {224, 224}));
  comparison.add(key + ".crop224.mid64", middle(cropped), picture(file, key + ".crop224.mid64"));
  comparison.add_digest(key + ".crop224", cropped, values<uint8_t>(file, key + ".crop224.sha256"));
  if (file.contains(key + ".crop224")) comparison.add(key + ".crop224", cropped, picture(file, key + ".crop224"));
}

void compare_boxes(const safetensors::File& file, Comparison& comparison) {
  for (const auto& name : picture_names(file, "box.")) {
    if (!name.ends_with(".source")) continue;
    const std::string key = "box." + name.substr(0, name.size() - 7);
    const auto box = values<int32_t>(file, key + ".box");
    const Frames cut =
        crop(picture(file, std::string("in.") + static_cast<char>(values<uint8_t>(file, key + ".source")[0])), {box[0], box[1], box[2], box[3]});
    for (const auto& [filter_name, filter] : kFilters) {
      const Frames out = resize(cut, box[4], box[4], filter);
      comparison.add(key + filter_name, box[4] == 224 ? middle(out) : out, picture(file, key + "." + filter_name));
      comparison.add_digest(key + filter_name, out, values<uint8_t>(file, key + "." + filter_name + ".sha256"));
    }
  }
}

/// Tensors PREFIX HxW.FILTER[.P], of the picture P or `in`.
void compare_plain(const safetensors::File& file, const std::string& prefix, const std::string& in, Comparison& comparison) {
  for (const auto& name : picture_names(file, prefix)) {
    if (name.find('@') != std::string::npos) continue;  // Pillow 13's order of passes
    const auto filter = name.find("bicubic") != std::string::npos ? ResizeFilter::kBicubic : ResizeFilter::kBilinear;
    const Frames source = picture(file, "in." + (in.empty() ? name.substr(name.rfind('.') + 1) : in)), expected = picture(file, prefix + name);
    comparison.add(name, resize(source, expected.shape().height, expected.shape().width, filter), expected);
  }
}

/// FILE.KIND of real JPEGs, from the file's bytes to the window, decoding only what is read.
void compare_files(const safetensors::File& file, const fs::path& pictures, Comparison& comparison) {
  for (const auto& [key, path] : file.metadata()) {
    if (!key.starts_with("file.")) continue;
    const std::string bytes = read_file(pictures / path);
    const auto info = read_image_info(bytes, path);
    const PictureSize full{info.height, info.width}, resized = size_with_short_side(full, 256);
    const auto values_of_box = values<int32_t>(file, key + ".box");
    const Box box{values_of_box[0], values_of_box[1], values_of_box[2], values_of_box[3]}, window = centre_crop_box(resized, {224, 224});
    for (const auto& [name, filter] : kFilters) {
      const Box source = resize_source_box(full, resized, window, filter);
      const Frames centre = resize_window(decode_image(bytes, path, source), source, full, resized, window, filter);
      const Frames cut = resize(decode_image(bytes, path, box), values_of_box[4], values_of_box[4], filter);
      for (const auto& [kind, found] : {std::pair{std::string(".short256.") + name + ".crop224", &centre}, {std::string(".box.") + name, &cut}}) {
        comparison.add(key + kind, middle(*found), picture(file, key + kind + ".mid64"));
        comparison.add_digest(key + kind, *found, values<uint8_t>(file, key + kind + ".sha256"));
      }
    }
  }
}

}  // namespace

TEST_CASE("resize parity of JPEG files, boxes decoded alone", "[parity][resize]") {
  const auto file = open_golden("augment_resize.safetensors");
  const fs::path pictures = fs::path(LIERE_SOURCE_DIR) / "../shared/data/imagenet/sample";
  if (!file) return;
  if (!fs::exists(pictures)) {
    std::puts("skipped: ../shared/data/imagenet/sample is not there");
    return;
  }
  Comparison comparison("augment_resize, files");
  compare_files(*file, pictures, comparison);
  comparison.finish();
}

TEST_CASE("resize parity", "[parity][resize]") {
  const auto file = open_golden("augment_resize.safetensors");
  if (!file) return;
  Comparison comparison("augment_resize");
  for (const auto& [name, filter] : kFilters)
    for (const std::string source : {"a", "b", "c"})
      compare_short_side(*file, std::string("short256.") + name + "." + source, picture(*file, "in." + source), filter, comparison);
  const Frames a = picture(*file, "in.a");
  for (int64_t rows : {141, 142})
    compare_short_side(*file, "rows256." + std::to_string(rows), crop(a, {0, 0, rows, a.shape().width}), ResizeFilter::kBilinear, comparison);
  compare_boxes(*file, comparison);
  compare_plain(*file, "plain.", "tiny", comparison);
  comparison.finish();
}

TEST_CASE("resize of synthetic pictures parity", "[parity][resize]") {
  const auto file = open_golden("augment_synthetic.safetensors");
  REQUIRE(file);  // part of the source
  Comparison comparison("augment_synthetic (resize)");
  compare_plain(*file, "resize.", "", comparison);
  comparison.finish();
}

TEST_CASE("the test's SHA-256", "[resize]") {
  const uint8_t abc[] = {'a', 'b', 'c'};
  const auto digest = sha256(abc, 3);
  CHECK(digest[0] == 0xba);
  CHECK(digest[1] == 0x78);
  CHECK(digest[31] == 0xad);
}

TEST_CASE("centre crop and short side", "[resize]") {
  CHECK(centre_crop_box({265, 256}, {224, 224}) == Box{20, 16, 224, 224});  // 20.5 to the even 20
  CHECK(centre_crop_box({267, 256}, {224, 224}) == Box{22, 16, 224, 224});  // 21.5 to the even 22
  CHECK(centre_crop_box({100, 223}, {224, 224}) == Box{-62, 0, 224, 224});
  CHECK(size_with_short_side({480, 640}, 256) == PictureSize{256, 341});
  CHECK(size_with_short_side({300, 256}, 256) == PictureSize{300, 256});
}

TEST_CASE("resize keeps a constant picture and treats frames alike", "[resize]") {
  Frames clip(PixelType::kU8, {3, 7, 11, 3});
  for (int64_t i = 0; i < clip.shape().elements(); ++i) clip.u8()[i] = static_cast<uint8_t>(i < 7 * 11 * 3 ? 201 : (i * 37) % 251);
  for (const auto& [name, filter] : kFilters) {
    const Frames out = resize(clip, 16, 5, filter);
    REQUIRE(out.shape() == FrameShape{3, 16, 5, 3});
    for (int64_t i = 0; i < 16 * 5 * 3; ++i) REQUIRE(out.u8()[i] == 201);
    const Frames last(PixelType::kU8, {1, 7, 11, 3});
    Frames alone = last;
    std::memcpy(alone.u8(), clip.u8() + 2 * last.size_bytes(), last.size_bytes());
    const Frames expected = resize(alone, 16, 5, filter);
    CHECK(std::memcmp(expected.u8(), out.u8() + 2 * expected.size_bytes(), expected.size_bytes()) == 0);
  }
  CHECK_THROWS_AS(resize(clip, 0, 5, ResizeFilter::kBilinear), DataError);
}
