// Pictures of a folder through ImageNet's recipes on one core, in processor time, stage by stage; free of LibTorch. imagenet_throughput.py runs it
// beside torchvision.   usage: picture_throughput FOLDER [--order released|crop_first|evaluation|decode] [--seconds S] One line of JSON: pictures per
// second and the microseconds of each stage per picture.
#include <time.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "core/check.h"
#include "core/files.h"
#include "core/rng.h"
#include "data/decode/image.h"
#include "data/recipe.h"
#include "data/transforms/geometry.h"
#include "data/transforms/rand_augment.h"
#include "data/transforms/resize.h"

using namespace liere;

namespace {

constexpr int64_t kSize = 224;
const Normalization kImagenet{{0.485f, 0.456f, 0.406f}, {0.229f, 0.224f, 0.225f}};

double processor_seconds() {
  timespec now;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

/// Adds the time since the last call to a stage.
struct Stages {
  double decode = 0, augment = 0, resize = 0, normalize = 0, last = processor_seconds();
  void add(double& stage) {
    const double now = processor_seconds();
    stage += now - last;
    last = now;
  }
};

/// torchvision's RandomResizedCrop (area 0.08..1, aspect 3/4..4/3); ten tries, then the centre.
Box random_resized_crop_box(PictureSize size, Rng& rng) {
  for (int i = 0; i < 10; ++i) {
    const double area = static_cast<double>(size.height * size.width) * (0.08 + 0.92 * rng.uniform());
    const double aspect = std::exp(std::log(0.75) + (std::log(4.0 / 3) - std::log(0.75)) * rng.uniform());
    const auto w = static_cast<int64_t>(std::lrint(std::sqrt(area * aspect))), h = static_cast<int64_t>(std::lrint(std::sqrt(area / aspect)));
    if (w > 0 && h > 0 && w <= size.width && h <= size.height) return {rng.integer(size.height - h + 1), rng.integer(size.width - w + 1), h, w};
  }
  const int64_t side = std::min(size.height, size.width);
  return {(size.height - side) / 2, (size.width - side) / 2, side, side};
}

void run(const std::string& bytes, const std::string& order, Rng& rng, Stages& stages, std::vector<float>& out) {
  const auto info = read_image_info(bytes, "picture");
  const PictureSize size{info.height, info.width}, target{kSize, kSize};
  const RandAugmentConfig rand_augment{RandAugmentKind::kReleased, 2, 14};
  Frames frames;
  if (order == "decode") {
    frames = decode_image(bytes, "picture");
    return stages.add(stages.decode);
  }
  if (order == "evaluation") {
    const PictureSize resized = size_with_short_side(size, 256);
    const Box window = centre_crop_box(resized, target), source = resize_source_box(size, resized, window, ResizeFilter::kBilinear);
    frames = decode_image(bytes, "picture", source);
    stages.add(stages.decode);
    frames = resize_window(frames, source, size, resized, window, ResizeFilter::kBilinear);
    stages.add(stages.resize);
  } else {
    const Box box = random_resized_crop_box(size, rng);
    if (order == "released") {
      const auto operations = draw_rand_augment(rand_augment, size.height, size.width, rng);
      const Box source = operations_source_box(operations, size.height, size.width, box);
      frames = decode_image(bytes, "picture", source);
      stages.add(stages.decode);
      frames = apply_operations_in_window(std::move(frames), source, size.height, size.width, operations, box);
      stages.add(stages.augment);
      frames = resize(frames, kSize, kSize, ResizeFilter::kBilinear);
      stages.add(stages.resize);
    } else {
      const auto operations = draw_rand_augment(rand_augment, kSize, kSize, rng);
      frames = decode_image(bytes, "picture", box);
      stages.add(stages.decode);
      frames = resize(frames, kSize, kSize, ResizeFilter::kBilinear);
      stages.add(stages.resize);
      frames = apply_operations(std::move(frames), operations);
      stages.add(stages.augment);
    }
    if (rng.coin()) frames = flip_horizontal(std::move(frames));
    stages.add(stages.augment);
  }
  normalize(frames, kImagenet, out.data());
  stages.add(stages.normalize);
}

int body(int argc, char** argv) {
  std::string folder, order = "released";
  double seconds = 3;
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    if (argument == "--order" && i + 1 < argc)
      order = argv[++i];
    else if (argument == "--seconds" && i + 1 < argc)
      seconds = std::atof(argv[++i]);
    else
      folder = argument;
  }
  if (order != "released" && order != "crop_first" && order != "evaluation" && order != "decode")
    throw ConfigError("--order: expected released, crop_first, evaluation or decode, found " + order);
  std::vector<std::string> files;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder))
    if (entry.path().extension() == ".JPEG") files.push_back(read_file(entry.path()));
  if (files.empty()) throw DataError(folder + ": expected pictures (*.JPEG), found none");
  std::vector<float> out(3 * kSize * kSize);
  uint64_t done = 0;
  for (const auto& bytes : files) {  // once for the memory and the caches
    Rng rng(0, Purpose::kAugmentation, 0);
    Stages ignored;
    run(bytes, order, rng, ignored, out);
  }
  Stages stages;
  const double start = processor_seconds();
  while (processor_seconds() - start < seconds)
    for (const auto& bytes : files) {
      Rng rng(1, Purpose::kAugmentation, static_cast<uint32_t>(done++));
      run(bytes, order, rng, stages, out);
    }
  const double each = 1e6 / static_cast<double>(done);
  std::printf(
      "{\"order\": \"%s\", \"pictures_per_second\": %.1f, \"decode_us\": %.0f, \"augment_us\": %.0f, \"resize_us\": %.0f, \"normalize_us\": %.0f}\n",
      order.c_str(), static_cast<double>(done) / (processor_seconds() - start), stages.decode * each, stages.augment * each, stages.resize * each,
      stages.normalize * each);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  return run_command([&] { return body(argc, argv); });
}
