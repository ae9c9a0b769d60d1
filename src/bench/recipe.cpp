#include "bench/recipe.h"

#include <time.h>

#include <cmath>
#include <cstring>
#include <nlohmann/json.hpp>

#include "core/log.h"
#include "core/rng.h"
#include "data/recipes.h"

namespace liere {
namespace {

double thread_seconds() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

/// A sample before the recipe: a picture of the input size, or frames of UCF101's size, as many as training clips are cut from and some more.
FrameShape source_shape(const AugmentConfig& config, const std::vector<int64_t>& input_size) {
  if (input_size.size() == 2) return {1, input_size[0], input_size[1], 3};
  return {input_size[0] * config.clip.rate + 8, 240, 320, 3};
}

Frames noise(const FrameShape& shape, uint32_t number) {
  Frames frames(PixelType::kU8, shape);
  Rng rng(/*seed=*/0, Purpose::kArrows, number);
  for (int64_t i = 0; i < frames.shape().elements(); ++i) frames.u8()[i] = static_cast<uint8_t>(rng.bits32() >> 24);
  return frames;
}

/// The frames asked for; of a picture all of it.
Frames requested(const Frames& sample, const Request& request) {
  if (request.frames.empty()) return sample;
  FrameShape shape = sample.shape();
  const auto bytes = static_cast<size_t>(shape.elements() / shape.frames);
  shape.frames = static_cast<int64_t>(request.frames.size());
  Frames frames(PixelType::kU8, shape);
  for (size_t t = 0; t < request.frames.size(); ++t) std::memcpy(frames.u8() + t * bytes, sample.u8() + static_cast<size_t>(request.frames[t]) * bytes, bytes);
  return frames;
}

/// Images (or clips) per second of processor time; `images` counts them.
double rate(const AugmentConfig& config, const std::vector<int64_t>& input_size, double seconds, int64_t& images) {
  const auto recipe = make_train_recipe(config, input_size);
  const FrameShape shape = source_shape(config, input_size);
  const uint32_t count = shape.frames == 1 ? 64 : 4;
  std::vector<Frames> samples;
  for (uint32_t i = 0; i < count; ++i) samples.push_back(noise(shape, i));
  std::vector<float> out(static_cast<size_t>(recipe->output_shape().elements()));
  images = 0;
  const double start = thread_seconds();
  double used = 0;
  while (used < seconds) {
    for (uint32_t i = 0; i < count; ++i, ++images) {
      const SourceInfo info{shape, 0, "noise"};
      const auto plan = recipe->plan(info, Rng(/*seed=*/0, Purpose::kAugmentation, static_cast<uint32_t>(images)), /*view=*/0);
      fill_input(plan, requested(samples[i], plan.request), *recipe, "noise", out.data());
    }
    used = thread_seconds() - start;
  }
  return static_cast<double>(images) / used;
}

}  // namespace

RecipeBench bench_recipe(const AugmentConfig& config, const std::vector<int64_t>& input_size, double seconds) {
  RecipeBench result;
  result.input_size = input_size;
  AugmentConfig alone;
  alone.rand_augment = config.rand_augment;
  alone.clip = config.clip;
  int64_t ignored = 0;
  result.randaugment_per_second = rate(alone, input_size, seconds, ignored);
  result.images_per_second = rate(config, input_size, seconds, result.images);
  return result;
}

std::string describe(const RecipeBench& result) {
  std::string size;
  for (const int64_t side : result.input_size) size += (size.empty() ? "" : "x") + std::to_string(side);
  const std::string unit = result.input_size.size() == 2 ? " images" : " clips";
  return "recipe: " + format_count(std::llround(result.images_per_second)) + unit + "/s on one core (" + size + ", " + format_count(result.images) + unit + "; with RandAugment alone " + format_count(std::llround(result.randaugment_per_second)) + ")\n";
}

std::string to_json(const RecipeBench& result) {
  return nlohmann::json({{"images_per_second", result.images_per_second}, {"randaugment_per_second", result.randaugment_per_second}, {"images", result.images}, {"input_size", result.input_size}}).dump(2) + "\n";
}

}  // namespace liere
