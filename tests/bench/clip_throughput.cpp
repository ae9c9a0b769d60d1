// Clips of videos through the recipes as the loader runs them, on one core, in processor time; free of LibTorch. clip_throughput.py runs it beside the paper's way in Python.
//   train  decode, sample, RandAugment, crop, resize, flip, erase one clip per video       eval  all 15 views of a video from one decode
//   augment  train without decoding: the frames of each video's first clip are held
// usage: clip_throughput FOLDER [--mode train|eval|augment] [--seconds S]   One line of JSON: videos per second, microseconds per video of both stages, peak memory.
#include <time.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <vector>

#include "core/allocator.h"
#include "core/check.h"
#include "core/files.h"
#include "data/decode/video.h"
#include "data/recipe_clip.h"

using namespace liere;

namespace {

constexpr int64_t kFrames = 8, kSize = 224;

double processor_seconds() {
  timespec now;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

/// Peak of the resident memory, read from the kernel: getrusage would count the parent's before exec.
double peak_mib() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);)
    if (line.starts_with("VmHWM:")) return std::atof(line.c_str() + 6) / 1024;
  return 0;
}

struct Video {
  std::string bytes;
  VideoShape shape;
  SourceInfo info() const { return {{shape.frames, shape.height, shape.width, 3}, 0, "video"}; }
};

/// rand-m7-n4-mstd0.5-inc1, random resized crop, flip, erasing: the release's clips.
AugmentConfig released() {
  AugmentConfig config;
  config.rand_augment = {RandAugmentKind::kIncreasing, 4, 7, 0.5, 0.5};
  config.random_resized_crop = {true, {0.08, 1}, {0.75, 1.3333}};
  config.flip = 0.5;
  config.erasing = 0.25;
  config.normalization = NormalizationKind::kImagenet;
  return config;
}

struct Stages {
  double decode = 0, rest = 0;
};

/// The loader's work on one video: its views share a decoder.
void run(const Video& video, const Frames* held, const Recipe& recipe, uint32_t sample, std::vector<float>& out, Stages& stages) {
  double last = processor_seconds();
  const auto add = [&](double& stage) {
    const double now = processor_seconds();
    stage += now - last;
    last = now;
  };
  std::optional<VideoDecoder> decoder;
  if (!held) decoder.emplace(video.bytes, "video", VideoLimits{}, video.shape.frames);
  for (int64_t view = 0; view < recipe.views(); ++view) {
    const Plan plan = recipe.plan(video.info(), Rng(1, Purpose::kAugmentation, 0, sample, static_cast<uint32_t>(view)), view);
    Frames frames = held ? *held : decoder->frames(plan.request.frames);
    if (!held) add(stages.decode);
    fill_input(plan, std::move(frames), recipe, "video", out.data());
    add(stages.rest);
  }
}

int body(int argc, char** argv) {
  std::string folder, mode = "train";
  double seconds = 3;
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    if (argument == "--mode" && i + 1 < argc) mode = argv[++i];
    else if (argument == "--seconds" && i + 1 < argc) seconds = std::atof(argv[++i]);
    else folder = argument;
  }
  if (mode != "train" && mode != "eval" && mode != "augment") throw ConfigError("--mode: expected train, eval or augment, found " + mode);
  std::vector<std::filesystem::path> paths;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder))
    if (entry.path().extension() == ".avi") paths.push_back(entry.path());
  if (paths.empty()) throw DataError(folder + ": expected videos (*.avi), found none");
  std::sort(paths.begin(), paths.end());
  const auto recipe = mode == "eval" ? make_eval_clip_recipe(released(), kFrames, kSize, kSize) : make_train_clip_recipe(released(), kFrames, kSize, kSize);
  std::vector<Video> videos;
  std::vector<Frames> held;
  for (const auto& path : paths) {
    Video video{read_file(path), {}};
    VideoDecoder decoder(video.bytes, path.filename());
    video.shape = decoder.shape();
    if (mode == "augment") held.push_back(decoder.frames({0, 4, 8, 12, 16, 20, 24, 28}));
    videos.push_back(std::move(video));
  }
  std::vector<float> out(kFrames * kSize * kSize * 3);
  Stages stages;
  uint32_t done = 0;
  const double start = processor_seconds();
  while (processor_seconds() - start < seconds)
    for (size_t i = 0; i < videos.size(); ++i) run(videos[i], held.empty() ? nullptr : &held[i], *recipe, done++, out, stages);
  const double elapsed = processor_seconds() - start;
  std::printf("{\"mode\": \"%s\", \"videos_per_second\": %.2f, \"decode_us\": %.0f, \"rest_us\": %.0f, \"peak_mib\": %.0f}\n", mode.c_str(), done / elapsed,
              stages.decode / done * 1e6, stages.rest / done * 1e6, peak_mib());
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  liere::keep_freed_memory();  // as liere-train does
  return run_command([&] { return body(argc, argv); });
}
