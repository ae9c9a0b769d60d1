#include "bench/recipe.h"

#include <time.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "core/log.h"
#include "core/rng.h"
#include "data/recipe_picture.h"

namespace liere {
namespace {

double thread_seconds() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

Frames noise(int64_t size, uint32_t number) {
  Frames frames(PixelType::kU8, FrameShape{1, size, size, 3});
  Rng rng(/*seed=*/0, Purpose::kArrows, number);
  for (int64_t i = 0; i < frames.shape().elements(); ++i) frames.u8()[i] = static_cast<uint8_t>(rng.bits32() >> 24);
  return frames;
}

/// Images per second of processor time; `images` counts them.
double rate(const AugmentConfig& config, int64_t size, double seconds, int64_t& images) {
  const auto recipe = make_train_recipe(config, size, size);
  constexpr uint32_t kPictures = 64;
  std::vector<Frames> pictures;
  for (uint32_t i = 0; i < kPictures; ++i) pictures.push_back(noise(size, i));
  std::vector<float> out(static_cast<size_t>(recipe->output_shape().elements()));
  images = 0;
  const double start = thread_seconds();
  double used = 0;
  while (used < seconds) {
    for (uint32_t i = 0; i < kPictures; ++i, ++images) {
      const SourceInfo info{pictures[i].shape(), 0, "noise"};
      const auto plan = recipe->plan(info, Rng(/*seed=*/0, Purpose::kAugmentation, static_cast<uint32_t>(images)), /*view=*/0);
      Frames frames = pictures[i];
      if (plan.finish) frames = plan.finish(std::move(frames));
      normalize(frames, recipe->normalization(), out.data());
      if (plan.finish_normalized) plan.finish_normalized(out.data());
    }
    used = thread_seconds() - start;
  }
  return static_cast<double>(images) / used;
}

}  // namespace

RecipeBench bench_recipe(const AugmentConfig& config, int64_t size, double seconds) {
  RecipeBench result;
  result.size = size;
  AugmentConfig alone;
  alone.rand_augment = config.rand_augment;
  int64_t ignored = 0;
  result.randaugment_per_second = rate(alone, size, seconds, ignored);
  result.images_per_second = rate(config, size, seconds, result.images);
  return result;
}

std::string describe(const RecipeBench& result) {
  return "recipe: " + format_count(std::llround(result.images_per_second)) + " images/s on one core (" + std::to_string(result.size) + "x" + std::to_string(result.size) + ", " + format_count(result.images) +
         " images; with RandAugment alone " + format_count(std::llround(result.randaugment_per_second)) + ")\n";
}

std::string to_json(const RecipeBench& result) {
  return nlohmann::json({{"images_per_second", result.images_per_second}, {"randaugment_per_second", result.randaugment_per_second}, {"images", result.images}, {"size", result.size}}).dump(2) + "\n";
}

}  // namespace liere
