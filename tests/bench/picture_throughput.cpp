// Pictures of a folder through ImageNet's recipes as the loader runs them, on one core, in processor time, stage by stage; free of LibTorch. imagenet_throughput.py runs it
// beside torchvision.   usage: picture_throughput FOLDER [--order released|crop_first|evaluation|decode] [--seconds S] One line of JSON: pictures per
// second and the microseconds of each stage per picture.
#include <time.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "core/allocator.h"
#include "core/check.h"
#include "core/files.h"
#include "core/rng.h"
#include "data/decode/image.h"
#include "data/recipe_picture.h"

using namespace liere;

namespace {

constexpr int64_t kSize = 224;

double processor_seconds() {
  timespec now;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

/// Adds the time since the last call to a stage.
struct Stages {
  double decode = 0, transform = 0, normalize = 0, last = processor_seconds();
  void add(double& stage) {
    const double now = processor_seconds();
    stage += now - last;
    last = now;
  }
};

/// The loader's work on a picture. Null: the picture is decoded, no more.
void run(const std::string& bytes, const Recipe* recipe, Rng rng, Stages& stages, std::vector<float>& out) {
  const auto info = read_image_info(bytes, "picture");
  if (!recipe) {
    decode_image(bytes, "picture");
    return stages.add(stages.decode);
  }
  const Plan plan = recipe->plan({{1, info.height, info.width, 3}, 0, "picture"}, rng, 0);
  Frames frames = decode_image(bytes, "picture", plan.request.box);
  stages.add(stages.decode);
  frames = plan.finish(std::move(frames));
  stages.add(stages.transform);
  normalize(frames, recipe->normalization(), out.data());
  stages.add(stages.normalize);
}

/// RandAugment(2, 14) of the release, RandomResizedCrop, flip; at evaluation the short side at 256 and the centre.
std::unique_ptr<Recipe> recipe_of(const std::string& order) {
  if (order == "decode") return nullptr;
  AugmentConfig config;
  config.rand_augment = {RandAugmentKind::kReleased, 2, 14};
  config.random_resized_crop.enabled = true;
  config.order = order == "crop_first" ? AugmentOrder::kCropFirst : AugmentOrder::kReleased;
  config.flip = 0.5;
  config.normalization = NormalizationKind::kImagenet;
  config.evaluation.kind = EvaluationView::kCentreCrop;
  return order == "evaluation" ? make_eval_recipe(config, kSize, kSize) : make_train_recipe(config, kSize, kSize);
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
  const auto recipe = recipe_of(order);
  std::vector<float> out(3 * kSize * kSize);
  uint64_t done = 0;
  for (const auto& bytes : files) {  // once for the memory and the caches
    Stages ignored;
    run(bytes, recipe.get(), Rng(0, Purpose::kAugmentation, 0), ignored, out);
  }
  Stages stages;
  const double start = processor_seconds();
  while (processor_seconds() - start < seconds)
    for (const auto& bytes : files) {
      run(bytes, recipe.get(), Rng(1, Purpose::kAugmentation, static_cast<uint32_t>(done++)), stages, out);
    }
  const double each = 1e6 / static_cast<double>(done);
  std::printf(
      "{\"order\": \"%s\", \"pictures_per_second\": %.1f, \"decode_us\": %.0f, \"transform_us\": %.0f, \"normalize_us\": %.0f}\n",
      order.c_str(), static_cast<double>(done) / (processor_seconds() - start), stages.decode * each, stages.transform * each,
      stages.normalize * each);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  liere::keep_freed_memory();  // as liere-train does
  return run_command([&] { return body(argc, argv); });
}
