#include "data/datasets/cifar.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <numeric>
#include <optional>
#include <sstream>

#include "core/check.h"
#include "core/files.h"
#include "core/log.h"
#include "data/datasets/picture_request.h"
#include "data/md5.h"

namespace liere {
namespace {

constexpr int64_t kSide = 32, kPlane = kSide * kSide, kPixelBytes = 3 * kPlane;

/// What distinguishes the two data sets, and how the official files are.
struct Layout {
  std::string name, folder, remedy;
  std::vector<std::string> files;
  int64_t label_bytes;             // the last of them is the class
  std::array<int, 2> label_limit;  // largest value of each label byte
  std::array<const char*, 2> label_name;
  int64_t official_size;
  std::string official_md5;  // of the files in order; empty: not known
  const std::vector<std::string>* class_names;

  int64_t record_bytes() const { return label_bytes + kPixelBytes; }
};

Layout cifar100_layout(Split split) {
  const bool train = split == Split::kTrain;
  return {.name = train ? "CIFAR-100 train" : "CIFAR-100 test",
          .folder = "cifar-100-binary",
          .remedy = "fetch it with scripts/fetch-cifar100.sh, or set data.root to the folder that holds it",
          .files = {train ? "train.bin" : "test.bin"},
          .label_bytes = 2,
          .label_limit = {19, 99},
          .label_name = {"coarse label", "fine label"},
          .official_size = train ? 50000 : 10000,
          .official_md5 = train ? "6172c7755cfe09b2fe270c85cebc1b15" : "4499cfba6c016c1be1438163640a0898",
          .class_names = &cifar100_class_names()};
}

Layout cifar10_layout(Split split) {
  const bool train = split == Split::kTrain;
  Layout layout{.name = train ? "CIFAR-10 train" : "CIFAR-10 test",
                .folder = "cifar-10-batches-bin",
                .remedy = "unpack https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz there, or set data.root to the folder that holds it",
                .files = {"test_batch.bin"},
                .label_bytes = 1,
                .label_limit = {9, 0},
                .label_name = {"label", ""},
                .official_size = train ? 50000 : 10000,
                .official_md5 = "",
                .class_names = &cifar10_class_names()};
  if (train) layout.files = {"data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin", "data_batch_4.bin", "data_batch_5.bin"};
  return layout;
}

/// `root`, or the official sub-folder in it, whichever holds the split's first file.
std::filesystem::path find_folder(const std::filesystem::path& root, const Layout& layout) {
  std::error_code ignored;
  for (const auto& folder : {root, root / layout.folder})
    if (std::filesystem::exists(folder / layout.files[0], ignored)) return folder;
  throw DataError(layout.name + " was not found: expected " + layout.files[0] + " in " + std::filesystem::absolute(root).lexically_normal().string() +
                  " (or in " + layout.folder + "/ below it); " + layout.remedy + ".");
}

void check_records(const std::string& bytes, const std::string& path, const Layout& layout) {
  const int64_t size = static_cast<int64_t>(bytes.size()), record_bytes = layout.record_bytes(), records = size / record_bytes;
  if (size == 0 || size % record_bytes != 0)
    throw DataError(
        path + " has " + format_count(size) + " bytes, expected a multiple of the " + format_count(record_bytes) + " bytes of a record: " +
        (size == 0 ? "it is empty"
                   : "record " + std::to_string(records) + ", which begins at byte " + std::to_string(records * record_bytes) + ", is incomplete") +
        "; " + layout.remedy + ".");
  for (int64_t record = 0; record < records; ++record)
    for (int64_t i = 0; i < layout.label_bytes; ++i) {
      const int64_t offset = record * record_bytes + i;
      const int found = static_cast<unsigned char>(bytes[offset]);
      if (found > layout.label_limit[i])
        throw DataError(path + ": record " + std::to_string(record) + " has the " + layout.label_name[i] + " " + std::to_string(found) + " at byte " +
                        std::to_string(offset) + ", expected 0.." + std::to_string(layout.label_limit[i]) + ": the file is damaged or is not " +
                        layout.name + "; " + layout.remedy + ".");
    }
}

/// fine_label_names.txt beside the data, if there is one.
std::optional<std::vector<std::string>> read_class_names(const std::filesystem::path& path, size_t expected) {
  std::error_code ignored;
  if (!std::filesystem::exists(path, ignored)) return std::nullopt;
  std::istringstream lines(read_file(path, 1 << 16));
  std::vector<std::string> names;
  for (std::string line; std::getline(lines, line);) {
    while (!line.empty() && (line.back() == '\r' || line.back() == ' ')) line.pop_back();
    if (!line.empty()) names.push_back(line);
  }
  if (names.size() != expected)
    throw DataError(path.string() + " has " + std::to_string(names.size()) + " class names, expected " + std::to_string(expected) +
                    ", one a line; remove the file to use the published names.");
  return names;
}

class Picture final : public Source {
 public:
  Picture(SourceInfo info, const uint8_t* planes) : info_(std::move(info)), planes_(planes) {}
  SourceInfo info() const override { return info_; }
  Frames decode(const Request& request) const override {
    const Box box = picture_box(info_, request);
    Frames frames(PixelType::kU8, {1, box.height, box.width, 3});
    uint8_t* out = frames.u8();
    for (int64_t y = box.top; y < box.top + box.height; ++y)
      for (int64_t x = box.left; x < box.left + box.width; ++x)
        for (int64_t c = 0; c < 3; ++c) *out++ = planes_[c * kPlane + y * kSide + x];
    return frames;
  }

 private:
  SourceInfo info_;
  const uint8_t* planes_;
};

class Cifar final : public Dataset {
 public:
  Cifar(const std::string& root, Layout layout) : layout_(std::move(layout)), class_names_(*layout_.class_names) {
    const auto folder = find_folder(root, layout_);
    for (const auto& file : layout_.files) {
      if (!std::filesystem::exists(folder / file))
        throw DataError(layout_.name + " is incomplete: expected " + file + " in " + folder.string() + "; " + layout_.remedy + ".");
      std::string bytes = read_file(folder / file);
      check_records(bytes, (folder / file).string(), layout_);
      first_of_file_.push_back(size());
      records_.empty() ? records_ = std::move(bytes) : records_ += bytes;
    }
    if (layout_.label_bytes == 2)
      if (auto names = read_class_names(folder / "fine_label_names.txt", class_names_.size())) class_names_ = std::move(*names);
  }

  int64_t size() const override { return static_cast<int64_t>(records_.size()) / layout_.record_bytes(); }
  const std::vector<std::string>& class_names() const override { return class_names_; }

  int64_t label(int64_t index) const override {
    check_index(index, size(), layout_.name);
    return record(index)[layout_.label_bytes - 1];
  }

  std::unique_ptr<Source> open(int64_t index) const override {
    const int64_t label_of_index = label(index);
    const size_t file = std::upper_bound(first_of_file_.begin(), first_of_file_.end(), index) - first_of_file_.begin() - 1;
    const std::string name = layout_.files[file] + "[" + std::to_string(index - first_of_file_[file]) + "]";
    return std::make_unique<Picture>(SourceInfo{{1, kSide, kSide, 3}, label_of_index, name}, record(index) + layout_.label_bytes);
  }

  std::string describe() const override {
    const std::string digest = md5(records_);
    const std::string origin = layout_.official_md5.empty()     ? ""
                               : digest == layout_.official_md5 ? " (official)"
                                                                : " (not the official file's " + layout_.official_md5 + ")";
    const std::string count = size() == layout_.official_size ? "" : " (not the official " + format_count(layout_.official_size) + ")";
    return layout_.name + ": " + format_count(size()) + " images 32x32" + count + ", " + std::to_string(class_names_.size()) + " classes, md5 " +
           digest + origin;
  }

  std::vector<std::string> verify() const override {
    std::vector<std::string> problems;
    if (size() != layout_.official_size)
      problems.push_back(layout_.name + ": " + format_count(size()) + " records, the published split has " + format_count(layout_.official_size));
    if (const auto digest = md5(records_); !layout_.official_md5.empty() && digest != layout_.official_md5)
      problems.push_back(layout_.name + ": md5 " + digest + ", published is " + layout_.official_md5);
    std::vector<int64_t> counts(class_names_.size());
    for (int64_t i = 0; i < size(); ++i) ++counts[label(i)];
    const int64_t expected = layout_.official_size / static_cast<int64_t>(counts.size());
    for (size_t c = 0; c < counts.size() && size() == layout_.official_size; ++c)
      if (counts[c] != expected)
        problems.push_back(layout_.name + ": class " + std::to_string(c) + " (" + class_names_[c] + ") has " + format_count(counts[c]) +
                           " images, published are " + format_count(expected));
    return problems;
  }

 private:
  const uint8_t* record(int64_t index) const { return reinterpret_cast<const uint8_t*>(records_.data()) + index * layout_.record_bytes(); }

  Layout layout_;
  std::vector<std::string> class_names_;
  std::string records_;                 // of all files, in order
  std::vector<int64_t> first_of_file_;  // index of each file's first record
};

}  // namespace

std::unique_ptr<Dataset> make_cifar(const Cifar100Config& config, Split split) {
  return std::make_unique<Cifar>(config.root, cifar100_layout(split));
}
std::unique_ptr<Dataset> make_cifar(const Cifar10Config& config, Split split) { return std::make_unique<Cifar>(config.root, cifar10_layout(split)); }

}  // namespace liere
