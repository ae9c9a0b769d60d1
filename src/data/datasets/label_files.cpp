#include "data/datasets/label_files.h"

#include <charconv>

#include "core/check.h"
#include "data/datasets/picture_list.h"

namespace liere {
namespace {

/// The lines of a text without their ends; `number` counts from 1. Blank lines are passed over.
class Lines {
 public:
  explicit Lines(std::string_view text) : rest_(text) {
    if (rest_.starts_with("\xef\xbb\xbf")) rest_.remove_prefix(3);
  }
  bool next(std::string_view& line) {
    while (!rest_.empty()) {
      const size_t end = std::min(rest_.find('\n'), rest_.size());
      line = rest_.substr(0, end);
      rest_.remove_prefix(std::min(end + 1, rest_.size()));
      ++number;
      while (!line.empty() && (line.back() == '\r' || line.back() == ' ' || line.back() == '\t')) line.remove_suffix(1);
      if (!line.empty()) return true;
    }
    return false;
  }
  int64_t number = 0;

 private:
  std::string_view rest_;
};

std::string quoted(std::string_view text) {
  std::string shown = "\"";
  for (const char c : text.substr(0, 60)) shown += static_cast<unsigned char>(c) < 32 || c == 127 ? '?' : c;
  return shown + (text.size() > 60 ? "...\"" : "\"");
}

[[noreturn]] void fail(const std::string& path, int64_t line, const std::string& what) {
  throw DataError(path + ", line " + std::to_string(line) + ": " + what + "; fetch the file again.");
}

bool is_class_name(std::string_view name) {
  if (!stays_below(name) || name.find('/') != std::string_view::npos) return false;
  for (const char c : name)
    if (static_cast<unsigned char>(c) <= 32) return false;
  return true;
}

void add(LabelsByName& labels, std::string_view picture, std::string_view label, const std::string& path, int64_t line) {
  if (!stays_below(picture) || picture.find('/') != std::string_view::npos)
    fail(path, line, "expected the name of a picture in the validation folder, found " + quoted(picture));
  if (!is_class_name(label)) fail(path, line, "expected the class of " + std::string(picture) + " behind its name, found " + quoted(label));
  const auto [entry, fresh] = labels.emplace(picture, label);
  if (!fresh && entry->second != label)
    fail(path, line, "expected one class for " + std::string(picture) + ", found " + entry->second + " in an earlier row and " + std::string(label) + " in this one");
}

std::string_view take_until(std::string_view& text, char separator) {
  const size_t end = std::min(text.find(separator), text.size());
  const auto field = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  return field;
}

bool is_number(std::string_view text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size();
}

}  // namespace

LabelsByName parse_kaggle_labels(std::string_view text, const std::string& path) {
  LabelsByName labels;
  Lines lines(text);
  std::string_view line;
  if (!lines.next(line) || line != "ImageId,PredictionString")
    fail(path, std::max<int64_t>(lines.number, 1), "expected the header ImageId,PredictionString, found " + quoted(line));
  while (lines.next(line)) {
    const auto picture = take_until(line, ',');
    if (line.size() >= 2 && line.front() == '"' && line.back() == '"') line = line.substr(1, line.size() - 2);
    int64_t field = 0;
    for (; !line.empty();) {
      const auto word = take_until(line, ' ');
      if (word.empty()) continue;
      if (field++ % 5 == 0) add(labels, picture, word, path, lines.number);
      else if (!is_number(word)) fail(path, lines.number, "expected a class and four numbers for each object of " + std::string(picture) + ", found " + quoted(word) + " for a number");
    }
    if (field == 0 || field % 5 != 0) fail(path, lines.number, "expected a class and four numbers for each object of " + std::string(picture) + ", found " + std::to_string(field) + " words");
  }
  return labels;
}

LabelsByName parse_tiny_imagenet_labels(std::string_view text, const std::string& path) {
  LabelsByName labels;
  Lines lines(text);
  for (std::string_view line; lines.next(line);) {
    const auto picture = take_until(line, '\t');
    add(labels, picture.substr(0, picture.rfind('.')), take_until(line, '\t'), path, lines.number);
  }
  return labels;
}

std::vector<int64_t> parse_ground_truth(std::string_view text, int64_t classes, const std::string& path) {
  std::vector<int64_t> truth;
  Lines lines(text);
  for (std::string_view line; lines.next(line);) {
    int64_t id = 0;
    const auto [end, error] = std::from_chars(line.data(), line.data() + line.size(), id);
    if (error != std::errc() || end != line.data() + line.size() || id < 1 || id > classes)
      fail(path, lines.number, "expected a label 1.." + std::to_string(classes) + ", found " + quoted(line));
    truth.push_back(id);
    if (lines.number != static_cast<int64_t>(truth.size())) fail(path, lines.number, "expected no blank line before it: a label's line is its picture's number");
  }
  return truth;
}

}  // namespace liere
