// The Dataset over a PictureList: make_picture_dataset of data/datasets/picture_list.h.
#include "core/check.h"
#include "core/files.h"
#include "core/log.h"
#include "data/datasets/archive_bytes.h"
#include "data/datasets/picture_list.h"
#include "data/datasets/picture_request.h"
#include "data/decode/image.h"

namespace liere {
namespace {

class EncodedPicture final : public Source {
 public:
  EncodedPicture(std::string bytes, std::string name, int64_t label) : bytes_(std::move(bytes)), name_(std::move(name)), label_(label) {}

  SourceInfo info() const override {
    const ImageInfo image = read_image_info(bytes_, name_);
    return {{1, image.height, image.width, 3}, label_, name_};
  }
  Frames decode(const Request& request) const override {
    if (request.box) picture_box(info(), request);  // says what is wrong with the request in the words of all data sets
    return decode_image(bytes_, name_, request.box);
  }

 private:
  std::string bytes_, name_;
  int64_t label_;
};

class PictureDataset final : public Dataset {
 public:
  explicit PictureDataset(PictureList list) : list_(std::move(list)) {
    if (!list_.archive.empty()) archive_ = std::make_unique<ArchiveBytes>(list_.archive);
  }

  int64_t size() const override { return static_cast<int64_t>(list_.pictures.size()); }
  int64_t label(int64_t index) const override {
    check_index(index, size(), list_.title);
    return list_.pictures[index].label;
  }
  const std::vector<std::string>& class_names() const override { return list_.class_names; }
  bool encoded() const override { return true; }

  std::unique_ptr<Source> open(int64_t index) const override {
    check_index(index, size(), list_.title);
    const auto& picture = list_.pictures[index];
    const std::string name(list_.name(picture));
    if (archive_) {
      const std::string full = list_.archive.filename().string() + ":" + name;
      return std::make_unique<EncodedPicture>(archive_->read(picture.offset, picture.length, full), full, picture.label);
    }
    const auto path = list_.root / name;
    try {
      return std::make_unique<EncodedPicture>(read_file(path, kMaxPictureBytes), name, picture.label);
    } catch (const DataError& error) {
      std::error_code ignored;
      if (std::filesystem::exists(path, ignored)) throw;
      throw DataError(std::string(error.what()) + " It was there when the data set was opened: something removes files of " + list_.root.string() + ".");
    }
  }

  std::string describe() const override {
    const auto unofficial = [](int64_t found, int64_t published) {
      return published == 0 || found == published ? std::string() : " (not the official " + format_count(published) + ")";
    };
    const int64_t classes = static_cast<int64_t>(list_.class_names.size());
    return list_.title + ": " + format_count(size()) + " pictures" + unofficial(size(), list_.official_size) + ", " + format_count(classes) + " classes" +
           unofficial(classes, list_.official_classes) + ", " + list_.layout + " in " + list_.root.string() +
           (list_.ignored > 0 ? ", " + format_count(list_.ignored) + " other files ignored" : "") + (list_.provenance.empty() ? "" : ", " + list_.provenance);
  }

  std::vector<std::string> verify() const override {
    std::vector<std::string> problems;
    if (list_.official_size > 0 && size() != list_.official_size)
      problems.push_back(list_.title + ": " + format_count(size()) + " pictures, the published split has " + format_count(list_.official_size));
    if (const auto classes = static_cast<int64_t>(list_.class_names.size()); list_.official_classes > 0 && classes != list_.official_classes)
      problems.push_back(list_.title + ": " + format_count(classes) + " classes, the published split has " + format_count(list_.official_classes));
    return problems;
  }

 private:
  PictureList list_;
  std::unique_ptr<ArchiveBytes> archive_;
};

}  // namespace

std::unique_ptr<Dataset> make_picture_dataset(PictureList list) {
  if (list.pictures.empty()) throw DataError(list.title + " has no pictures in " + list.root.string() + " (" + list.layout + "); files that are no pictures by their name: " + format_count(list.ignored) + ".");
  std::vector<bool> seen(list.class_names.size());
  for (const auto& picture : list.pictures) seen.at(picture.label) = true;
  std::vector<std::string> empty;
  for (size_t c = 0; c < seen.size(); ++c)
    if (!seen[c]) empty.push_back(list.class_names[c]);
  if (!empty.empty())
    throw DataError(list.title + " in " + list.root.string() + ": expected pictures in each of the " + format_count(static_cast<int64_t>(seen.size())) + " classes, found none for " +
                    list_some(empty) + "; complete the data, or remove the class from train/ and val/.");
  return std::make_unique<PictureDataset>(std::move(list));
}

}  // namespace liere
