#include "data/volumes/labels.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "core/check.h"

namespace liere {
namespace {

constexpr size_t kLongestLine = 64 * 1024;
constexpr std::array<std::string_view, 6> kRsnaNames = {"any", "epidural", "intraparenchymal", "intraventricular", "subarachnoid", "subdural"};

std::string shown(std::string_view text) {
  std::string result = "'";
  for (const char c : text.substr(0, 40)) result += static_cast<unsigned char>(c) < 32 || c == 127 ? '?' : c;
  return result + (text.size() > 40 ? "...'" : "'");
}

/// Lines with their numbers, without line ends, trailing blanks and a byte order mark; blank ones are passed over.
class Lines {
 public:
  Lines(std::istream& in, const std::string& name) : in_(in), name_(name), buffer_(kLongestLine + 1, '\0') {}

  bool next(std::string_view& line) {
    while (true) {
      in_.getline(buffer_.data(), static_cast<std::streamsize>(buffer_.size()));
      const auto count = static_cast<size_t>(in_.gcount());
      if (count == 0 && in_.eof()) return false;
      ++number_;
      if (in_.bad()) fail("cannot be read further");
      if (in_.fail()) fail("expected at most " + std::to_string(kLongestLine) + " characters in a line, found more: it is no table of labels");
      line = {buffer_.data(), count - (in_.eof() ? 0 : 1)};
      if (number_ == 1 && line.starts_with("\xef\xbb\xbf")) line.remove_prefix(3);
      while (!line.empty() && (line.back() == '\r' || line.back() == ' ' || line.back() == '\t')) line.remove_suffix(1);
      if (!line.empty()) return true;
      if (in_.eof()) return false;
    }
  }
  [[noreturn]] void fail(const std::string& what) const { fail_at(number_, what); }
  [[noreturn]] void fail_at(int64_t line, const std::string& what) const {
    throw DataError(name_ + ", line " + std::to_string(line) + ": " + what + ". Correct the table, or fetch it again.");
  }
  int64_t number() const { return number_; }

 private:
  std::istream& in_;
  const std::string& name_;
  std::string buffer_;
  int64_t number_ = 0;
};

bool label_of(std::string_view text, const Lines& lines) {
  if (text == "0" || text == "1") return text == "1";
  lines.fail("expected the label 0 or 1, found " + shown(text));
}

/// What the table said of an image so far: its first line, and a bit for each name.
struct ImageLabels {
  uint32_t line = 0;
  uint8_t known = 0, positive = 0;
};

/// What is wrong with an image after the last row; empty if nothing is.
std::string defect(const std::string& image, const ImageLabels& labels) {
  constexpr uint8_t kAll = (1 << kRsnaNames.size()) - 1;
  if (labels.known != kAll) {
    std::string missing;
    for (size_t i = 0; i < kRsnaNames.size(); ++i)
      if (!(labels.known >> i & 1)) missing += (missing.empty() ? "" : ", ") + std::string(kRsnaNames[i]);
    return "expected six rows for each image, found none of " + shown(image) + " for " + missing;
  }
  if ((labels.positive & 1) == (labels.positive > 1)) return "";
  return "image " + shown(image) + " has any = " + std::to_string(labels.positive & 1) + ", which is not the OR of its five kinds";
}

/// Throws for the first image of the table that is incomplete or contradicts itself, whatever the order of the map.
void check(const std::unordered_map<std::string, ImageLabels>& images, const Lines& lines) {
  const std::pair<const std::string, ImageLabels>* first = nullptr;
  for (const auto& image : images)
    if ((!first || image.second.line < first->second.line) && !defect(image.first, image.second).empty()) first = &image;
  if (first) lines.fail_at(first->second.line, defect(first->first, first->second));
}

std::vector<float> values_of(uint8_t positive) {
  std::vector<float> values(kRsnaNames.size());
  for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(positive >> i & 1);
  return values;
}

std::vector<std::string_view> columns_of(std::string_view line) {
  std::vector<std::string_view> columns;
  while (true) {
    const auto comma = line.find(',');
    columns.push_back(line.substr(0, comma));
    if (comma == std::string_view::npos) return columns;
    line.remove_prefix(comma + 1);
  }
}

LabelKey key_of(std::string_view text, const Lines& lines) {
  if (text == "study") return LabelKey::kStudy;
  if (text == "series") return LabelKey::kSeries;
  if (text == "patient") return LabelKey::kPatient;
  lines.fail("expected the header study,LABEL... (or series,... or patient,...), found another first column");
}

const char* name_of(LabelKey key) {
  return key == LabelKey::kSeries ? "series" : key == LabelKey::kStudy ? "study" : key == LabelKey::kPatient ? "patient" : "image";
}

}  // namespace

LabelTable read_rsna_labels(std::istream& in, const std::string& name) {
  Lines lines(in, name);
  std::string_view line;
  if (!lines.next(line) || line != "ID,Label") lines.fail("expected the header ID,Label of RSNA's table, found " + shown(line));
  LabelTable table;
  table.names.assign(kRsnaNames.begin(), kRsnaNames.end());
  std::unordered_map<std::string, ImageLabels> images;
  for (std::string key; lines.next(line);) {
    const auto comma = line.rfind(','), underscore = line.substr(0, comma).rfind('_');
    if (comma == std::string_view::npos || underscore == std::string_view::npos || underscore == 0)
      lines.fail("expected IMAGE_KIND,LABEL, found " + shown(line));
    const auto kind = line.substr(underscore + 1, comma - underscore - 1);
    const auto* found = std::find(kRsnaNames.begin(), kRsnaNames.end(), kind);
    if (found == kRsnaNames.end())
      lines.fail("expected one of the kinds any, epidural, intraparenchymal, intraventricular, subarachnoid, subdural, found " + shown(kind));
    const bool positive = label_of(line.substr(comma + 1), lines);
    const auto bit = static_cast<uint8_t>(1 << (found - kRsnaNames.begin()));
    key.assign(line.substr(0, underscore));
    auto& image = images[key];
    if (!image.known) image.line = static_cast<uint32_t>(lines.number());
    if ((image.known & bit) && positive != ((image.positive & bit) != 0))
      lines.fail("image " + shown(key) + " has the label " + std::string(positive ? "1" : "0") + " for " + std::string(kind) +
                 " here and the other one in an earlier row");
    table.merged += (image.known & bit) != 0;
    image.known |= bit;
    if (positive) image.positive |= bit;
  }
  if (images.empty()) lines.fail("expected labels after the header, found none");
  check(images, lines);
  table.values.reserve(images.size());
  while (!images.empty()) {  // an image's node goes as its values come
    auto node = images.extract(images.begin());
    auto values = values_of(node.mapped().positive);
    table.values.emplace(std::move(node.key()), std::move(values));
  }
  return table;
}

LabelTable read_volume_labels(std::istream& in, const std::string& name) {
  Lines lines(in, name);
  std::string_view line;
  if (!lines.next(line)) lines.fail("expected the header study,LABEL..., found nothing");
  LabelTable table;
  const auto header = columns_of(line);
  table.key = key_of(header[0], lines);
  for (size_t i = 1; i < header.size(); ++i) {
    if (header[i].empty() || header[i].size() > 100) lines.fail("expected a name in each column of labels, found " + shown(header[i]));
    if (std::find(table.names.begin(), table.names.end(), header[i]) != table.names.end())
      lines.fail("the label " + shown(header[i]) + " has two columns");
    table.names.emplace_back(header[i]);
  }
  if (table.names.empty() || table.names.size() > 1000)
    lines.fail("expected 1 to 1000 columns of labels after the first, found " + std::to_string(table.names.size()));
  while (lines.next(line)) {
    const auto columns = columns_of(line);
    if (columns.size() != header.size())
      lines.fail("expected " + std::to_string(header.size()) + " columns as in the header, found " + std::to_string(columns.size()));
    if (columns[0].empty()) lines.fail(std::string("expected a ") + name_of(table.key) + " in the first column, found nothing");
    std::vector<float> values;
    // Cells may be patients' identifiers, in whichever column: they are not repeated in messages.
    for (size_t i = 1; i < columns.size(); ++i) {
      if (columns[i] != "0" && columns[i] != "1")
        lines.fail("expected the label 0 or 1 in column " + std::to_string(i + 1) + ", found something else");
      values.push_back(columns[i] == "1" ? 1.0f : 0.0f);
    }
    const auto [entry, fresh] = table.values.emplace(columns[0], values);
    if (fresh) continue;
    if (entry->second != values) lines.fail(std::string("the same ") + name_of(table.key) + " has other labels in an earlier row");
    ++table.merged;
  }
  if (table.values.empty()) lines.fail("expected labels after the header, found none");
  return table;
}

std::vector<float> labels_of(const LabelTable& table, const CtVolume& volume) {
  if (table.key != LabelKey::kImage) {
    const auto& key = table.key == LabelKey::kSeries ? volume.series : table.key == LabelKey::kStudy ? volume.study : volume.patient;
    const auto found = table.values.find(key);
    return found == table.values.end() ? std::vector<float>{} : found->second;
  }
  std::vector<float> labels;
  size_t known = 0;
  for (const auto& slice : volume.slice_names) {
    const auto found = table.values.find(slice);
    if (found == table.values.end()) continue;
    ++known;
    labels.resize(found->second.size());
    for (size_t i = 0; i < labels.size(); ++i) labels[i] = std::max(labels[i], found->second[i]);
  }
  if (known > 0 && known < volume.slice_names.size())
    throw DataError("labels_incomplete: expected a label for each of the series' " + std::to_string(volume.slice_names.size()) +
                    " slices, found them for " + std::to_string(known) + ".");
  return labels;
}

}  // namespace liere
