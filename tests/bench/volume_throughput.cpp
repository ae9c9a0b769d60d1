// One CT series from its cached volume to the model's normalised floats, for volume_throughput.py:
//   volume_throughput FOLDER_OF_DCM CACHE REPEATS [VALUES]   prepares the series into the file CACHE, then prints, once a line, the processor seconds
//   of each
//                                                            repeat: read and evaluation's recipe, read alone, training's recipe with all of its
//                                                            parts, with all but the noise, the files read and evaluation's recipe; VALUES receives
//                                                            evaluation's floats
#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <filesystem>

#include "core/allocator.h"
#include "core/check.h"
#include "core/files.h"
#include "data/dicom/series.h"
#include "data/recipe_volume.h"
#include "data/volumes/volume_cache.h"

using namespace liere;

namespace {

double processor_seconds() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

std::vector<DicomEntry> entries_of(const char* folder) {
  std::vector<DicomEntry> entries;
  for (const auto& entry : std::filesystem::directory_iterator(folder))
    if (entry.path().extension() == ".dcm") entries.push_back({entry.path().filename().string(), [path = entry.path()] { return read_file(path); }});
  return entries;
}

Frames volume_of(const std::vector<DicomEntry>& entries, const VolumeCacheSettings& settings) {
  std::array<double, 3> spacing_mm{};
  return resample_volume(read_series(entries), settings, spacing_mm);
}

}  // namespace

int main(int argc, char** argv) {
  return run_command([&] {
    if (argc != 4 && argc != 5) throw ConfigError("usage: volume_throughput FOLDER_OF_DCM CACHE REPEATS [VALUES]");
    keep_freed_memory();
    const VolumeCacheSettings settings;
    const std::string settings_digest(16, '0');
    const std::filesystem::path file = argv[2];
    const auto entries = entries_of(argv[1]);
    const std::string digest = write_cached_volume(file, volume_of(entries, settings), settings_digest);
    const FrameShape shape{settings.slices, settings.rows, settings.columns, 1};
    const SourceInfo info{shape, 0, "the cached volume"};
    const auto read = [&] {
      const CachedVolume cached(file, shape, settings_digest, digest);
      Frames hu(PixelType::kI16, shape);
      std::memcpy(hu.i16(), cached.values(), hu.size_bytes());
      return hu;
    };
    AugmentConfig all, quiet;
    all.volume = {15, {0.9, 1.1}, 0.05, 0.5, 10, 0.1, 5};
    quiet.volume = all.volume;
    quiet.volume.noise = 0;
    const auto eval = make_eval_volume_recipe({}, shape.frames, shape.height, shape.width);
    const auto train = make_train_volume_recipe(all, shape.frames, shape.height, shape.width);
    const auto no_noise = make_train_volume_recipe(quiet, shape.frames, shape.height, shape.width);
    std::vector<float> values(static_cast<size_t>(eval->output_shape().elements()));
    const auto seconds = [&](const Recipe* recipe, uint32_t sample) {
      const double start = processor_seconds();
      Frames hu = read();
      if (recipe) fill_input(recipe->plan(info, Rng(1, Purpose::kAugmentation, 0, sample), 0), std::move(hu), *recipe, info.name, values.data());
      return processor_seconds() - start;
    };
    for (uint32_t i = 0; i < static_cast<uint32_t>(std::atoi(argv[3])); ++i) {
      const double with_all = seconds(train.get(), i), geometric = seconds(no_noise.get(), i), alone = seconds(nullptr, i),
                   plain = seconds(eval.get(), i);
      const double start = processor_seconds();
      fill_input(eval->plan(info, Rng(1, Purpose::kAugmentation, 0, i), 0), volume_of(entries, settings), *eval, info.name, values.data());
      std::printf("%.6f %.6f %.6f %.6f %.6f\n", plain, alone, with_all, geometric, processor_seconds() - start);
    }
    if (argc == 5) write_file_atomically(argv[4], std::string_view(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float)));
    return 0;
  });
}
