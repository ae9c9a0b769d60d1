#include "data/datasets/video_files.h"

#include <algorithm>
#include <map>
#include <set>

#include "core/check.h"
#include "core/files.h"
#include "core/log.h"
#include "data/datasets/picture_list.h"

namespace liere {
namespace {

namespace fs = std::filesystem;
constexpr uint64_t kMaxListBytes = uint64_t(64) << 20;
constexpr const char* kRemedy =
    "; make it with liere-data prepare ucf101 (scripts/fetch-ucf101.sh fetches the archives), or set data.root to the folder that holds the classes";

std::string lower(std::string_view name) {
  std::string text(name);
  for (char& c : text)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
  return text;
}

/// The names in a folder, found as they are or, when only one fits, without regard to capitals.
class Names {
 public:
  Names() = default;
  explicit Names(const fs::path& folder) : folder_(folder) {
    std::error_code error;
    fs::directory_iterator entry(folder, error);
    for (; !error && entry != fs::directory_iterator(); entry.increment(error)) {
      const std::string name = entry->path().filename().string();
      if (name.starts_with(".")) continue;
      names_.insert(name);
      by_lower_.emplace(lower(name), name);
    }
    if (error) throw DataError("cannot read the folder " + folder.string() + ": " + error.message() + ".");
  }
  /// Empty when there is none.
  std::string find(const std::string& name) const {
    if (names_.contains(name)) return name;
    const auto [begin, end] = by_lower_.equal_range(lower(name));
    if (begin == end) return "";
    if (std::next(begin) != end)
      throw DataError(folder_.string() + ": expected " + name + ", found " + begin->second + " and " + std::next(begin)->second +
                      ", which differ from it in capitals; remove the one that is a copy.");
    return begin->second;
  }

 private:
  fs::path folder_;
  std::set<std::string> names_;
  std::multimap<std::string, std::string> by_lower_;
};

bool is_folder(const fs::path& path) {
  std::error_code ignored;
  return fs::is_directory(path, ignored);
}

}  // namespace

fs::path find_lists(const fs::path& root, const fs::path& lists) {
  std::error_code ignored;
  std::vector<fs::path> places = {lists};
  if (lists.empty()) places = {root / "ucfTrainTestlist", root / "annotations", root / "ucf101_lists"};
  for (const auto& place : places)
    if (fs::exists(place / "classInd.txt", ignored)) return place;
  throw DataError("UCF101's lists were not found: expected classInd.txt, trainlist01.txt and testlist01.txt in " +
                  fs::absolute(places.front()).lexically_normal().string() + (lists.empty() ? " or annotations/ beside it" : "") +
                  "; fetch UCF101TrainTestSplits-RecognitionTask.zip (scripts/fetch-ucf101.sh), or set data.lists to their folder.");
}

VideoLists read_video_lists(const fs::path& folder, int64_t split) {
  const auto list = [&](std::string name) { return folder / name.append("list0").append(std::to_string(split)).append(".txt"); };
  const fs::path classes = folder / "classInd.txt", train = list("train"), test = list("test");
  VideoLists lists;
  lists.classes = parse_class_numbers(read_file(classes, kMaxListBytes), classes.string());
  lists.train = parse_video_list(read_file(train, kMaxListBytes), lists.classes, true, train.string());
  lists.test = parse_video_list(read_file(test, kMaxListBytes), lists.classes, false, test.string());
  refuse_overlap(lists.train, lists.test, train.string(), test.string());
  std::set<int64_t> used;
  for (const auto* videos : {&lists.train, &lists.test})
    for (const auto& video : *videos) used.insert(video.class_number);
  std::vector<std::string> unused;
  for (const auto& [id, name] : lists.classes)
    if (!used.contains(id)) unused.push_back(name);
  if (!unused.empty())
    throw DataError(classes.string() + " has classes without a video in " + train.filename().string() + " and " + test.filename().string() + ": " +
                    list_some(unused) + "; take them out of it, or fetch the lists again.");
  return lists;
}

std::vector<std::string> find_videos(const fs::path& root, const std::vector<ListedVideo>& listed, const std::string& title) {
  fs::path base;
  std::string prefix;
  Names folders;
  for (const char* place : {"UCF-101", "videos", "data", ""}) {
    if (!is_folder(root / place)) continue;
    Names names(root / place);
    const bool has_class = std::any_of(listed.begin(), listed.end(), [&](const auto& video) { return !names.find(video.folder).empty(); });
    if (!has_class) continue;
    base = *place ? root / place : root, prefix = *place ? std::string(place).append("/") : "";
    folders = std::move(names);
    break;
  }
  if (base.empty())
    throw DataError(title + " was not found: expected folders such as " + listed.front().folder + "/ in " +
                    fs::absolute(root).lexically_normal().string() + ", or in UCF-101/, videos/ or data/ there" + kRemedy + ".");

  std::map<std::string, std::pair<std::string, Names>> opened;  // by the listed folder: its name on disk and what is in it
  std::vector<std::string> paths, missing;
  for (const auto& video : listed) {
    auto entry = opened.find(video.folder);
    if (entry == opened.end()) {
      const std::string folder = folders.find(video.folder);
      entry = opened.emplace(video.folder, std::pair(folder, folder.empty() ? Names() : Names(base / folder))).first;
    }
    const std::string file = entry->second.second.find(video.file);
    if (file.empty())
      missing.push_back(video.folder + "/" + video.file);
    else
      paths.push_back(prefix + entry->second.first + "/" + file);
  }
  if (!missing.empty())
    throw DataError(title + " in " + base.string() + ": expected " + format_count(static_cast<int64_t>(listed.size())) + " listed videos, found " +
                    format_count(static_cast<int64_t>(paths.size())) + "; missing: " + list_some(missing) + kRemedy + ".");
  return paths;
}

}  // namespace liere
