#include "data/datasets/picture_index.h"

#include <sys/stat.h>
#include <xxhash.h>

#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <unordered_set>

#include "core/check.h"
#include "core/files.h"
#include "core/log.h"

namespace liere {
namespace {

constexpr std::string_view kRemedy = "; run liere-data prepare imagenet again.";

std::string digest_of(std::string_view text) {
  char digits[17];
  std::snprintf(digits, sizeof digits, "%016llx", static_cast<unsigned long long>(XXH64(text.data(), text.size(), 0)));
  return digits;
}

class IndexReader {
 public:
  IndexReader(std::string_view text, const std::string& path) : rest_(text), path_(path) {}

  PictureIndex read() {
    check_digest();
    PictureIndex index;
    if (next_line() != kIndexVersion) fail("expected \"" + std::string(kIndexVersion) + "\"");
    index.list.archive = value_of("archive");
    if (index.list.archive.empty()) fail("expected the path of the archive");
    index.archive_bytes = number(value_of("size"), uint64_t(1) << 62);
    index.modified_ns = static_cast<int64_t>(number(value_of("modified"), uint64_t(1) << 62));
    index.list.provenance = value_of("provenance");
    std::unordered_set<std::string_view> members;
    while (!rest_.empty()) {
      auto line = next_line();
      const auto key = field(line);
      if (key == "class" && index.list.pictures.empty()) read_class(line, index.list);
      else if (key == "picture") read_picture(line, index, members);
      else fail("expected a picture, or a class before all pictures");
    }
    return index;
  }

 private:
  [[noreturn]] void fail(const std::string& what) const { throw DataError(path_ + ", line " + std::to_string(line_) + ": " + what + std::string(kRemedy)); }

  /// Cuts the last line off and compares it with the rest.
  void check_digest() {
    constexpr std::string_view kKey = "digest\t";
    constexpr size_t kLine = kKey.size() + 16 + 1;
    const auto last = rest_.size() < kLine ? std::string_view() : rest_.substr(rest_.size() - kLine);
    if (!last.starts_with(kKey) || last.back() != '\n') throw DataError(path_ + " is no index of pictures, or its end is missing" + std::string(kRemedy));
    rest_.remove_suffix(kLine);
    if (digest_of(rest_) != last.substr(kKey.size(), 16)) throw DataError(path_ + " is damaged: its content does not have the digest at its end" + std::string(kRemedy));
  }

  std::string_view next_line() {
    ++line_;
    const size_t end = rest_.find('\n');
    if (end == std::string_view::npos) fail("expected another line");
    const auto line = rest_.substr(0, end);
    rest_.remove_prefix(end + 1);
    return line;
  }
  static std::string_view field(std::string_view& line) {
    const size_t end = std::min(line.find('\t'), line.size());
    const auto text = line.substr(0, end);
    line.remove_prefix(std::min(end + 1, line.size()));
    return text;
  }
  std::string_view value_of(std::string_view key) {
    auto line = next_line();
    if (field(line) != key) fail("expected the key " + std::string(key));
    return line;
  }
  uint64_t number(std::string_view text, uint64_t limit) const {
    uint64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size() || text.empty() || value > limit) fail("expected a number up to " + std::to_string(limit));
    return value;
  }

  void read_class(std::string_view name, PictureList& list) const {
    if (!stays_below(name) || name.find('/') != std::string_view::npos) fail("expected the name of a class");
    if (!list.class_names.empty() && list.class_names.back() >= name) fail("expected the classes in byte order, each once");
    list.class_names.emplace_back(name);
  }
  void read_picture(std::string_view line, PictureIndex& index, std::unordered_set<std::string_view>& members) const {
    const auto& classes = index.list.class_names;
    if (classes.empty()) fail("expected the classes before the pictures");
    const uint64_t label = number(field(line), classes.size() - 1), offset = number(field(line), index.archive_bytes), length = number(field(line), kMaxPictureBytes);
    if (length > index.archive_bytes - offset) fail("the picture ends behind the archive's " + std::to_string(index.archive_bytes) + " bytes");
    if (!stays_below(line)) fail("expected a path within the archive");
    if (!members.insert(line).second) fail("the picture " + std::string(line) + " is there twice");
    index.list.add(static_cast<int64_t>(label), line, offset, length);
  }

  std::string_view rest_;
  const std::string& path_;
  int64_t line_ = 0;
};

}  // namespace

std::string index_name(Split split) { return split == Split::kTrain ? "imagenet-train.index" : "imagenet-val.index"; }

std::string format_picture_index(const PictureIndex& index) {
  std::string text = std::string(kIndexVersion) + "\narchive\t" + index.list.archive.string() + "\nsize\t" + std::to_string(index.archive_bytes) + "\nmodified\t" +
                     std::to_string(index.modified_ns) + "\nprovenance\t" + index.list.provenance + "\n";
  for (const auto& name : index.list.class_names) text += "class\t" + name + "\n";
  for (const auto& picture : index.list.pictures) {
    text += "picture\t" + std::to_string(picture.label) + "\t" + std::to_string(picture.offset) + "\t" + std::to_string(picture.length) + "\t";
    text += index.list.name(picture);
    text += "\n";
  }
  return sign_picture_index(std::move(text));
}

std::string sign_picture_index(std::string text) {
  const std::string digest = digest_of(text);
  return std::move(text.append("digest\t").append(digest).append("\n"));
}

PictureIndex parse_picture_index(std::string_view text, const std::string& path) { return IndexReader(text, path).read(); }

void stat_archive(PictureIndex& index) {
  struct stat status = {};
  if (::stat(index.list.archive.c_str(), &status) != 0 || !S_ISREG(status.st_mode))
    throw DataError("The archive " + index.list.archive.string() + " cannot be read: " + (errno != 0 ? std::strerror(errno) : "it is no file") +
                    "; put it back, or run liere-data prepare imagenet with --from the folder where it is now.");
  index.archive_bytes = static_cast<uint64_t>(status.st_size);
  index.modified_ns = int64_t(status.st_mtim.tv_sec) * 1000000000 + status.st_mtim.tv_nsec;
}

PictureIndex read_picture_index(const std::filesystem::path& path) {
  PictureIndex index = parse_picture_index(read_file(path), path.string());
  if (index.list.archive.is_relative()) index.list.archive = path.parent_path() / index.list.archive;
  PictureIndex now;
  now.list.archive = index.list.archive;
  stat_archive(now);
  if (now.archive_bytes != index.archive_bytes || now.modified_ns != index.modified_ns)
    throw DataError(path.string() + " belongs to another state of " + index.list.archive.string() + ": the archive has " + format_count(static_cast<int64_t>(now.archive_bytes)) +
                    " bytes now, " + format_count(static_cast<int64_t>(index.archive_bytes)) + " when it was indexed, or was written to since" + std::string(kRemedy));
  index.list.layout = "indexed archive " + index.list.archive.filename().string();
  index.list.root = path.parent_path();
  return index;
}

}  // namespace liere
