#include "data/datasets/ucf101.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <mutex>
#include <numeric>
#include <set>

#include "core/check.h"
#include "core/files.h"
#include "core/log.h"
#include "data/datasets/frame_cache.h"
#include "data/datasets/picture_list.h"
#include "data/datasets/picture_request.h"
#include "data/datasets/video_files.h"
#include "data/datasets/video_index.h"
#include "data/transforms/geometry.h"

namespace liere {
namespace {

namespace fs = std::filesystem;

struct OfficialSplit {
  int64_t train, test, first_test_group, last_test_group;
};
constexpr std::array<OfficialSplit, 3> kOfficial = {{{9537, 3783, 1, 7}, {9586, 3734, 8, 14}, {9624, 3696, 15, 21}}};
constexpr int64_t kOfficialClasses = 101;

/// What all samples share.
struct Videos {
  std::string title;
  fs::path root, cache;
  std::vector<std::string> paths, class_names;
  std::vector<int64_t> labels;
  std::vector<ListedVideo> listed;
  VideoIndex index;
  mutable std::atomic<bool> warned = false;

  /// Once: training goes on with frames that are decoded, which are the same.
  void warn_of_cache(const std::string& what) const {
    if (!warned.exchange(true)) log_warning("data.cache: " + what + " Such videos are decoded instead, which gives the same frames more slowly.");
  }
};

class VideoSource : public Source {
 public:
  VideoSource(const Videos& videos, int64_t index)
      : videos_(videos), path_(videos.paths[index]), file_(file_state(videos.root / path_)), label_(videos.labels[index]) {}

  SourceInfo info() const override {
    const std::lock_guard lock(mutex_);
    if (shape_.frames == 0) {
      if (const auto known = videos_.index.find(path_, file_))
        shape_ = *known;
      else if (open_cache())
        shape_ = cached_->shape();
      else
        shape_ = decoder().shape();
    }
    return {{shape_.frames, shape_.height, shape_.width, 3}, label_, name()};
  }

  Frames decode(const Request& request) const override {
    const SourceInfo known = info();
    std::vector<int64_t> indices = request.frames;
    if (indices.empty()) {
      indices.resize(known.shape.frames);
      std::iota(indices.begin(), indices.end(), 0);
    }
    const Box box = picture_box(known, {{}, request.box});
    const std::lock_guard lock(mutex_);
    Frames frames = read(indices);
    return request.box ? crop(frames, box) : frames;
  }

  /// Every frame, none of them converted.
  void check() const override {
    const int64_t frames = VideoDecoder(read_file(videos_.root / path_, kMaxPictureBytes), name(), {.held_bytes = 0}).shape().frames;
    const auto known = videos_.index.find(path_, file_);
    if (known && known->frames != frames)
      throw DataError(name() + ": " + std::to_string(frames) + " frames were decoded, the index says " + std::to_string(known->frames) +
                      "; run liere-data prepare ucf101 again.");
  }

 private:
  std::string name() const { return videos_.title + " " + path_; }

  bool open_cache() const {
    if (tried_cache_ || videos_.cache.empty()) return cached_ != nullptr;
    tried_cache_ = true;
    const fs::path path = cached_frames_path(videos_.cache, path_);
    try {
      cached_ = CachedFrames::open(path, file_);
      if (!cached_)
        videos_.warn_of_cache(path.string() +
                              " is missing, or of another state of its video or another decoder: run liere-data prepare ucf101 --cache.");
    } catch (const DataError& error) {
      videos_.warn_of_cache(error.what());
    }
    return cached_ != nullptr;
  }

  VideoDecoder& decoder() const {
    if (!decoder_) {
      const auto known = videos_.index.find(path_, file_);
      decoder_ = std::make_unique<VideoDecoder>(read_file(videos_.root / path_, kMaxPictureBytes), name(), VideoLimits(), known ? known->frames : 0);
    }
    return *decoder_;
  }

  Frames read(const std::vector<int64_t>& indices) const {
    if (open_cache()) {
      try {
        return cached_->frames(indices);
      } catch (const DataError& error) {
        videos_.warn_of_cache(error.what());
        cached_.reset();
      }
    }
    return decoder().frames(indices);
  }

  const Videos& videos_;
  const std::string& path_;
  FileState file_;
  int64_t label_;
  mutable std::mutex mutex_;
  mutable VideoShape shape_;
  mutable bool tried_cache_ = false;
  mutable std::unique_ptr<CachedFrames> cached_;
  mutable std::unique_ptr<VideoDecoder> decoder_;
};

class Ucf101 : public Dataset {
 public:
  Ucf101(const Ucf101Config& config, Split split) : split_(split), official_(kOfficial[config.split - 1]) {
    videos_.title = std::string("UCF101 ") + (split == Split::kTrain ? "train" : "test") + " " + std::to_string(config.split);
    videos_.root = config.root;
    if (config.cache) videos_.cache = *config.cache;
    VideoLists lists = read_video_lists(find_lists(config.root, config.lists.value_or("")), config.split);
    number_classes(lists.classes, config.class_order);
    videos_.listed = std::move(split == Split::kTrain ? lists.train : lists.test);
    videos_.paths = find_videos(videos_.root, videos_.listed, videos_.title);
    std::set<int64_t> seen;
    for (const auto& video : videos_.listed) {
      videos_.labels.push_back(labels_.at(video.class_number));
      seen.insert(video.class_number);
      if (group_of(video.file) < 0) ++without_group_;
    }
    classes_without_video_ = static_cast<int64_t>(lists.classes.size() - seen.size());
    videos_.index = read_video_index({videos_.root, videos_.cache});
    for (const auto& path : videos_.paths) indexed_ += videos_.index.videos.contains(path);
  }

  int64_t size() const override { return static_cast<int64_t>(videos_.paths.size()); }
  std::unique_ptr<Source> open(int64_t index) const override {
    check_index(index, size(), videos_.title);
    return std::make_unique<VideoSource>(videos_, index);
  }
  int64_t label(int64_t index) const override {
    check_index(index, size(), videos_.title);
    return videos_.labels[index];
  }
  const std::vector<std::string>& class_names() const override { return videos_.class_names; }
  bool encoded() const override { return true; }

  std::string describe() const override {
    const int64_t official = split_ == Split::kTrain ? official_.train : official_.test;
    std::string text =
        videos_.title + ": " + format_count(size()) + " videos, " + format_count(static_cast<int64_t>(videos_.class_names.size())) + " classes";
    text += size() == official ? " (as many as the official split)" : ", not the official " + format_count(official);
    if (classes_without_video_ > 0) text += ", " + format_count(classes_without_video_) + " classes without a video in this list";
    if (without_group_ > 0)
      text += ", " + format_count(without_group_) + " without a group in their name: not checked for scenes that are in training and test";
    text += indexed_ == size() ? ", frame counts indexed"
                               : ", " + format_count(size() - indexed_) +
                                     " without an indexed frame count: decoded to their end (liere-data prepare ucf101 counts once)";
    return text + (videos_.cache.empty() ? "" : ", frames from " + videos_.cache.string());
  }

  std::vector<std::string> verify() const override {
    std::vector<std::string> problems;
    const int64_t official = split_ == Split::kTrain ? official_.train : official_.test;
    if (size() != official)
      problems.push_back(videos_.title + " has " + format_count(size()) + " videos, the published split has " + format_count(official) + ".");
    if (const auto classes = static_cast<int64_t>(videos_.class_names.size()); classes != kOfficialClasses)
      problems.push_back(videos_.title + " has " + format_count(classes) + " classes, the published set has " + format_count(kOfficialClasses) + ".");
    std::vector<std::string> wrong;
    for (const auto& video : videos_.listed) {
      const int64_t group = group_of(video.file);
      const bool of_test = group >= official_.first_test_group && group <= official_.last_test_group;
      if (group < 1 || group > 25 || of_test != (split_ == Split::kTest)) wrong.push_back(video.file);
    }
    if (!wrong.empty())
      problems.push_back(videos_.title + ": the published split tests the groups " + std::to_string(official_.first_test_group) + " to " +
                         std::to_string(official_.last_test_group) + " and trains on the others of 1 to 25; otherwise here: " + list_some(wrong) +
                         ".");
    return problems;
  }

 private:
  void number_classes(const std::map<int64_t, std::string>& classes, ClassOrder order) {
    std::vector<std::pair<std::string, int64_t>> ordered;
    for (const auto& [number, name] : classes) ordered.emplace_back(name, number);
    if (order == ClassOrder::kSorted) std::sort(ordered.begin(), ordered.end());
    for (const auto& [name, number] : ordered) {
      labels_[number] = static_cast<int64_t>(videos_.class_names.size());
      videos_.class_names.push_back(name);
    }
  }

  Split split_;
  OfficialSplit official_;
  Videos videos_;
  std::map<int64_t, int64_t> labels_;  // of the numbers in classInd.txt
  int64_t indexed_ = 0, without_group_ = 0, classes_without_video_ = 0;
};

}  // namespace

std::unique_ptr<Dataset> make_ucf101(const Ucf101Config& config, Split split) {
  if (!video_supported())
    throw ConfigError(
        "data.kind: ucf101 needs video, and this program was built without it: install libavformat-dev, libavcodec-dev and libswscale-dev and build "
        "it again (LIERE_VIDEO).");
  return std::make_unique<Ucf101>(config, split);
}

}  // namespace liere
