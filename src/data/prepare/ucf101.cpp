#include "data/prepare/ucf101.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <mutex>
#include <set>

#include "core/check.h"
#include "core/control_group.h"
#include "core/files.h"
#include "core/log.h"
#include "core/parallel.h"
#include "core/signals.h"
#include "data/datasets/frame_cache.h"
#include "data/datasets/picture_list.h"
#include "data/datasets/video_files.h"
#include "data/datasets/video_index.h"
#include "data/decode/video_stream.h"
#include "data/prepare/unpack.h"

namespace liere {
namespace {

namespace fs = std::filesystem;

constexpr const char* kListsArchive = "UCF101TrainTestSplits-RecognitionTask.zip";
constexpr auto kNotePeriod = std::chrono::seconds(20);
constexpr double kTypicalCacheBytes = 186.0 * 320 * 240 * 1.5;  // of a video of UCF101 that was not counted yet: 2.5 million frames in 13,320 videos
constexpr int64_t kRound = 64;                                  // videos per worker between two looks at the signals and the clock
constexpr size_t kPrintedBad = 20;

bool is_file(const fs::path& path) {
  std::error_code ignored;
  return fs::is_regular_file(path, ignored);
}
bool is_folder(const fs::path& path) {
  std::error_code ignored;
  return fs::is_directory(path, ignored);
}

void make_folder(const fs::path& folder, const char* option) {
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) throw DataError("The folder " + folder.string() + " cannot be made: " + error.message() + "; name another one with " + option + ".");
}

/// The data set's root, with the videos in it.
fs::path place_videos(const PrepareUcf101Options& options) {
  const fs::path from = options.from;
  fs::path archive = from;
  if (is_folder(from)) {
    archive = from / "UCF101.rar";
    if (!is_file(archive)) {
      std::error_code ignored;
      if (!options.root.empty() && !fs::equivalent(from, options.root, ignored))
        throw ConfigError(
            "--from " + from.string() +
            " holds no UCF101.rar, so it is a folder of videos, which are used where they are: leave --root out, or name the archive with --from.");
      return from;
    }
  }
  if (!is_file(archive))
    throw DataError("Expected UCF101.rar, or a folder with it or with its videos, at " + from.string() +
                    ", which is not there; scripts/fetch-ucf101.sh fetches it.");
  const fs::path root = options.root.empty() ? fs::absolute(archive).parent_path() : fs::path(options.root);
  make_folder(root, "--root");
  const auto result = unpack_archive(archive, root, [](std::string_view path) { return path.ends_with(".avi"); });
  if (result.files + result.kept == 0) throw DataError(archive.string() + " holds no video (.avi), expected those of UCF101; fetch it again.");
  std::printf("%s: %s videos unpacked, %s were there\n", archive.c_str(), format_count(result.files).c_str(), format_count(result.kept).c_str());
  return root;
}

bool is_list(std::string_view name) {
  name = name.substr(name.rfind('/') + 1);
  return name == "classInd.txt" || ((name.starts_with("trainlist0") || name.starts_with("testlist0")) && name.ends_with(".txt"));
}

/// The folder with the lists, in the root so that experiments find it.
fs::path place_lists(const PrepareUcf101Options& options, const fs::path& root) {
  fs::path lists = options.lists;
  if (lists.empty())
    for (const auto& folder : {fs::path(options.from), fs::path(options.from).parent_path(), root})
      if (lists.empty() && is_file(folder / kListsArchive)) lists = folder / kListsArchive;
  if (lists.empty()) return find_lists(root, "");
  if (is_file(lists)) {
    unpack_archive(lists, root, is_list);
    return find_lists(root, "");
  }
  const fs::path folder = find_lists(root, lists), copies = root / "ucfTrainTestlist";
  std::error_code ignored;
  if (fs::equivalent(folder, copies, ignored)) return folder;
  make_folder(copies, "--root");
  for (const auto& entry : fs::directory_iterator(folder))
    if (is_list(entry.path().filename().string()))
      write_file_atomically(copies / entry.path().filename(), read_file(entry.path(), uint64_t(64) << 20));
  return copies;
}

/// The paths of all videos that one of the splits lists.
std::vector<std::string> list_videos(const fs::path& root, const fs::path& lists) {
  std::vector<ListedVideo> videos;
  std::set<std::pair<std::string, std::string>> seen;
  int64_t splits = 0;
  for (int64_t split = 1; split <= 3; ++split) {
    if (!is_file(lists / std::string("trainlist0").append(std::to_string(split)).append(".txt"))) continue;
    ++splits;
    const VideoLists listed = read_video_lists(lists, split);
    for (const auto* list : {&listed.train, &listed.test})
      for (const auto& video : *list)
        if (seen.emplace(video.folder, video.file).second) videos.push_back(video);
  }
  if (splits == 0) throw DataError("Expected trainlist01.txt (or 02, 03) in " + lists.string() + ", found none; fetch " + kListsArchive + ".");
  return find_videos(root, videos, "UCF101");
}

struct Work {
  fs::path root, cache;
  VideoIndex index;
  struct Video {
    std::string path;
    FileState file;
  };
  std::vector<Video> videos;  // to be decoded
};

bool is_cached(const Work& work, const Work::Video& video) {
  try {
    return CachedFrames::open(cached_frames_path(work.cache, video.path), video.file) != nullptr;
  } catch (const DataError&) {
    return false;  // damaged: written anew
  }
}

/// What is to be done, after a look at the disk: it is better to be told now than after hours.
Work plan_work(const fs::path& root, const fs::path& cache, const std::vector<std::string>& paths) {
  Work work{root, cache, read_video_index({root}), {}};
  double bytes = 0;
  for (const auto& path : paths) {
    const Work::Video video{path, file_state(root / path)};
    const auto known = work.index.find(path, video.file);
    const bool uncached = !cache.empty() && !is_cached(work, video);
    if (!known) work.index.videos.erase(path);
    if (!known || uncached) work.videos.push_back(video);
    if (uncached) bytes += known ? 1.5 * static_cast<double>(known->frames * known->height * known->width) : kTypicalCacheBytes;
  }
  if (bytes > 0) {
    make_folder(cache, "--cache");
    const auto available = static_cast<double>(fs::space(cache).available);
    const std::string need = "The frames of " + format_count(static_cast<int64_t>(work.videos.size())) + " videos need about " + format_bytes(bytes) +
                             " in " + cache.string();
    if (bytes > available)
      throw DataError(need + ", which has " + format_bytes(available) +
                      " free; name a larger disk with --cache, or leave it out: videos are then decoded each time.");
    log_info(need + " (" + format_bytes(available) + " free).");
  }
  return work;
}

VideoShape decode_once(const Work& work, const Work::Video& video) {
  const std::string name = (work.root / video.path).string(), bytes = read_file(name, kMaxPictureBytes);
  VideoStream stream(bytes, name, VideoLimits());
  std::optional<FrameCacheWriter> writer;
  if (!work.cache.empty() && !is_cached(work, video)) writer.emplace(cached_frames_path(work.cache, video.path), video.file);
  VideoShape shape;
  for (Picture picture = stream.next(); picture; picture = stream.next()) {
    if (writer) writer->add(picture);
    const auto [height, width] = picture_size(*picture);
    shape = {shape.frames + 1, height, width};
  }
  if (shape.frames == 0) throw DataError(name + ": no frame could be decoded, expected at least one; fetch it again.");
  if (file_state(name) != video.file) throw DataError(name + " changed while it was decoded; run the command again when it is complete.");
  if (writer) writer->finish();
  return shape;
}

/// Decodes what is to be decoded; the reasons of those that cannot be.
std::vector<std::string> decode_all(Work& work) {
  const fs::path index_path = work.root / kVideoIndexName;
  const auto total = static_cast<int64_t>(work.videos.size()), workers = static_cast<int64_t>(usable_processors());
  ProgressLine progress("decoding", total);
  std::mutex mutex;
  std::vector<std::string> bad;
  const auto start = std::chrono::steady_clock::now();
  auto noted = start;
  for (int64_t begin = 0; begin < total;) {
    if (stop_requested()) {
      progress.finish();
      write_file_atomically(index_path, format_video_index(work.index));
      throw Error(ExitCode::kStoppedEarly, std::string("Stopped by ") + stop_signal_name() + " behind video " + format_count(begin) + " of " +
                                               format_count(total) + "; run the same command again to go on.");
    }
    const int64_t count = std::min(workers * kRound, total - begin);
    parallel_for(count, workers, [&](int64_t i) {
      if (stop_requested()) return;  // this round's others come again next time
      const Work::Video& video = work.videos[begin + i];
      try {
        const VideoShape shape = decode_once(work, video);
        const std::lock_guard lock(mutex);
        work.index.videos[video.path] = {shape, video.file};
      } catch (const DataError& error) {
        const std::lock_guard lock(mutex);
        bad.push_back(error.what());
      }
    });
    if (stop_requested()) continue;
    begin += count;
    const auto now = std::chrono::steady_clock::now();
    const double seconds = std::max(1e-3, std::chrono::duration<double>(now - start).count());
    progress.update(begin, format_count(static_cast<int64_t>(static_cast<double>(begin) / seconds)) + " videos/s, " +
                               format_count(static_cast<int64_t>(bad.size())) + " bad");
    if (now - noted > kNotePeriod) write_file_atomically(index_path, format_video_index(work.index)), noted = now;
  }
  progress.finish();
  write_file_atomically(index_path, format_video_index(work.index));
  return bad;
}

}  // namespace

void prepare_ucf101(const PrepareUcf101Options& options) {
  if (!video_supported())
    throw ConfigError(
        "liere-data prepare ucf101 needs video, and this program was built without it: install libavformat-dev, libavcodec-dev and libswscale-dev "
        "and build it again (LIERE_VIDEO).");
  const fs::path root = place_videos(options), lists = place_lists(options, root);
  const auto paths = list_videos(root, lists);
  Work work = plan_work(root, options.cache, paths);
  auto bad = decode_all(work);
  int64_t frames = 0;
  for (const auto& [path, entry] : work.index.videos) frames += entry.shape.frames;
  std::printf("UCF101 is in %s: %s videos with %s frames counted (%s decoded now), written to %s. Use it with data.root=%s%s\n", root.c_str(),
              format_count(static_cast<int64_t>(work.index.videos.size())).c_str(), format_count(frames).c_str(),
              format_count(static_cast<int64_t>(work.videos.size() - bad.size())).c_str(), kVideoIndexName.data(), root.c_str(),
              options.cache.empty() ? "" : (" data.cache=" + options.cache).c_str());
  std::sort(bad.begin(), bad.end());
  for (size_t i = 0; i < std::min(bad.size(), kPrintedBad); ++i) std::printf("  bad: %s\n", bad[i].c_str());
  std::fflush(stdout);
  if (!bad.empty())
    throw DataError(format_count(static_cast<int64_t>(bad.size())) + " of " + format_count(static_cast<int64_t>(paths.size())) +
                    " videos cannot be decoded (listed above); fetch them again, all others are ready.");
}

}  // namespace liere
