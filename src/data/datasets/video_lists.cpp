#include "data/datasets/video_lists.h"

#include <charconv>
#include <set>
#include <unordered_map>

#include "core/check.h"
#include "data/datasets/picture_list.h"

namespace liere {
namespace {

[[noreturn]] void fail(const std::string& path, int64_t line, const std::string& what) {
  std::string place = path;
  if (line > 0) place.append(", line ").append(std::to_string(line));
  throw DataError(place + ": " + what + "; fetch the lists again (UCF101TrainTestSplits-RecognitionTask.zip).");
}

std::string quoted(std::string_view text) {
  std::string shown = "\"";
  for (const char c : text.substr(0, 60)) shown += static_cast<unsigned char>(c) < 32 || c == 127 ? '?' : c;
  return shown + (text.size() > 60 ? "...\"" : "\"");
}

/// Calls body(line, number) for every line that is not blank, without its end.
template <class Body>
void for_each_line(std::string_view text, const Body& body) {
  if (text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);
  for (int64_t number = 1; !text.empty(); ++number) {
    const size_t end = std::min(text.find('\n'), text.size());
    auto line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    while (!line.empty() && (line.back() == '\r' || line.back() == ' ' || line.back() == '\t')) line.remove_suffix(1);
    if (!line.empty()) body(line, number);
  }
}

bool read_number(std::string_view text, int64_t& value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size() && !text.empty();
}

/// A name of a folder or file: printable, no folder in it, not hidden.
bool is_name(std::string_view name) {
  if (!stays_below(name) || name.front() == '.' || name.size() > 255) return false;
  for (const char c : name)
    if (static_cast<unsigned char>(c) < 32 || c == 127 || c == '/' || c == '\\') return false;
  return true;
}

}  // namespace

std::map<int64_t, std::string> parse_class_numbers(std::string_view text, const std::string& path) {
  std::map<int64_t, std::string> classes;
  std::set<std::string, std::less<>> names;
  for_each_line(text, [&](std::string_view line, int64_t at) {
    const size_t space = std::min(line.find(' '), line.size());
    int64_t number = 0;
    if (!read_number(line.substr(0, space), number) || number < 1)
      fail(path, at, "expected a number from 1 on and the name of a class, found " + quoted(line));
    const auto name = line.substr(std::min(space + 1, line.size()));
    if (!is_name(name) || name.find(' ') != std::string_view::npos) fail(path, at, "expected the name of a class, found " + quoted(name));
    if (!names.emplace(name).second) fail(path, at, "the class " + std::string(name) + " is there twice");
    if (!classes.emplace(number, name).second) fail(path, at, "the number " + std::to_string(number) + " is there twice");
  });
  if (classes.empty()) fail(path, 0, "expected the classes of the data set, found none");
  return classes;
}

std::vector<ListedVideo> parse_video_list(std::string_view text, const std::map<int64_t, std::string>& classes, bool labels_required,
                                          const std::string& path) {
  std::unordered_map<std::string_view, int64_t> numbers;
  for (const auto& [number, name] : classes) numbers.emplace(name, number);
  std::vector<ListedVideo> videos;
  std::unordered_map<std::string, int64_t> seen;
  for_each_line(text, [&](std::string_view line, int64_t at) {
    const size_t space = line.rfind(' ');
    std::string_view video = line, label;
    // A name may hold blanks: what follows the last one is a label unless the name goes on there.
    if (space != std::string_view::npos && (labels_required || line.find('.', space) == std::string_view::npos))
      video = line.substr(0, space), label = line.substr(space + 1);
    const size_t slash = std::min(video.find('/'), video.size());
    const auto folder = video.substr(0, slash), file = video.substr(std::min(slash + 1, video.size()));
    if (!is_name(folder) || !is_name(file)) fail(path, at, "expected CLASS/VIDEO below the root, found " + quoted(video));
    const auto number = numbers.find(folder);
    if (number == numbers.end()) fail(path, at, "the class of " + quoted(video) + " is not in classInd.txt");
    if (labels_required && label.empty()) fail(path, at, "expected a label behind " + quoted(video));
    int64_t stated = 0;
    if (!label.empty() && (!read_number(label, stated) || !classes.contains(stated)))
      fail(path, at, "expected a label that classInd.txt has, found " + quoted(label));
    if (!label.empty() && stated != number->second)
      fail(path, at,
           "expected the label " + std::to_string(number->second) + " of " + std::string(folder) + " for " + quoted(video) + ", found " +
               std::to_string(stated));
    const auto [other, fresh] = seen.emplace(video, at);
    if (!fresh) fail(path, at, quoted(video) + " is there twice, first in line " + std::to_string(other->second));
    videos.push_back({std::string(folder), std::string(file), number->second, at});
  });
  if (videos.empty()) fail(path, 0, "expected one video a line, found none");
  return videos;
}

int64_t group_of(std::string_view file) {
  // v_NAME_gNN_cNN.avi
  if (!file.starts_with("v_") || !file.ends_with(".avi") || file.size() < 14) return -1;
  const auto tail = file.substr(file.size() - 12);  // _gNN_cNN.avi
  const auto digit = [&](size_t i) { return tail[i] >= '0' && tail[i] <= '9'; };
  if (!tail.starts_with("_g") || tail.substr(4, 2) != "_c" || !digit(2) || !digit(3) || !digit(6) || !digit(7)) return -1;
  return (tail[2] - '0') * 10 + (tail[3] - '0');
}

void refuse_overlap(const std::vector<ListedVideo>& train, const std::vector<ListedVideo>& test, const std::string& train_path,
                    const std::string& test_path) {
  std::set<std::pair<std::string_view, std::string_view>> videos;
  std::map<std::pair<int64_t, int64_t>, const ListedVideo*> groups;
  for (const auto& video : train) {
    videos.emplace(video.folder, video.file);
    if (const int64_t group = group_of(video.file); group >= 0) groups.emplace(std::pair(video.class_number, group), &video);
  }
  for (const auto& video : test) {
    if (videos.contains({video.folder, video.file}))
      fail(test_path, video.line, video.folder + "/" + video.file + " is in " + train_path + " as well, expected other videos for the test");
    const auto leak = groups.find({video.class_number, group_of(video.file)});
    if (leak != groups.end())
      fail(test_path, video.line,
           video.folder + "/" + video.file + " is of the same group as " + leak->second->file + " in " + train_path +
               ", expected the groups of training and test to differ");
  }
}

}  // namespace liere
