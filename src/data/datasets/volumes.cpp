#include "data/datasets/volumes.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "core/check.h"
#include "core/log.h"
#include "data/volumes/manifest.h"
#include "data/volumes/volume_cache.h"

namespace liere {
namespace {

namespace fs = std::filesystem;

const char* name_of_split(Split split) { return split == Split::kTrain ? "train" : split == Split::kTest ? "test" : "validation"; }

bool belongs(const VolumeEntry& entry, Split split, const std::optional<int64_t>& fold) {
  if (entry.split == VolumeSplit::kTest || split == Split::kTest) return (entry.split == VolumeSplit::kTest) == (split == Split::kTest);
  const bool validation = fold ? entry.fold == *fold : entry.split == VolumeSplit::kValidation;
  return validation == (split == Split::kValidation);
}

class VolumeSource : public Source {
 public:
  VolumeSource(SourceInfo info, std::unique_ptr<CachedVolume> volume) : info_(std::move(info)), volume_(std::move(volume)) {}
  SourceInfo info() const override { return info_; }

  Frames decode(const Request& request) const override {
    auto slices = request.frames;
    if (slices.empty())
      for (int64_t z = 0; z < info_.shape.frames; ++z) slices.push_back(z);
    const Box box = request.box.value_or(Box{0, 0, info_.shape.height, info_.shape.width});
    Frames out(PixelType::kI16, {static_cast<int64_t>(slices.size()), box.height, box.width, 1});
    int16_t* to = out.i16();
    for (const int64_t z : slices)
      for (int64_t y = 0; y < box.height; ++y, to += box.width)
        std::memcpy(to, volume_->values() + (z * info_.shape.height + box.top + y) * info_.shape.width + box.left,
                    static_cast<size_t>(box.width) * sizeof(int16_t));
    return out;
  }

 private:
  SourceInfo info_;
  std::unique_ptr<CachedVolume> volume_;
};

class Volumes : public Dataset {
 public:
  Volumes(const VolumesConfig& config, Split split)
      : root_(config.root), split_(split), labels_(config.labels), manifest_(read_volume_manifest(config.root)) {
    if (config.fold && *config.fold >= manifest_.folds)
      throw ConfigError("data.fold is " + std::to_string(*config.fold) + ", but " + root_.string() + " was split into folds 0 to " +
                        std::to_string(manifest_.folds - 1) + ". Choose one of them, or prepare the volumes again with --folds.");
    for (auto& entry : manifest_.entries)
      if (belongs(entry, split, config.fold)) entries_.push_back(entry);
    if (entries_.empty())
      throw DataError(root_.string() + " has no volumes for " + name_of_split(split) + " among its " +
                      format_count(static_cast<int64_t>(manifest_.entries.size())) +
                      ". Prepare the volumes again with other shares (--validation, --test)" +
                      (manifest_.label_names.empty() ? ", and with labels." : "."));
    if (labels_ == VolumeLabels::kAll) {
      if (manifest_.label_names.empty())
        throw ConfigError("data.labels is all, but the volumes in " + root_.string() +
                          " were prepared without labels, so that their names are not known. Prepare them with --labels.");
      class_names_ = manifest_.label_names;
    } else {
      class_names_ = {"negative", "positive"};
    }
    const auto unknown = std::count_if(entries_.begin(), entries_.end(), [](const auto& entry) { return entry.labels.empty(); });
    if (split != Split::kTest && unknown > 0)
      throw DataError(root_.string() + " has " + format_count(unknown) + " volumes without labels for " + name_of_split(split) +
                      ": they can be predicted, not trained on. Prepare them with --labels.");
  }

  int64_t size() const override { return static_cast<int64_t>(entries_.size()); }
  const std::vector<std::string>& class_names() const override { return class_names_; }
  bool multi_label() const override { return labels_ == VolumeLabels::kAll; }
  int64_t label(int64_t index) const override {
    const auto& labels = at(index).labels;
    return labels.empty() ? -1 : labels.front() > 0.5f;
  }
  std::string group(int64_t index) const override { return at(index).patient; }

  std::unique_ptr<Source> open(int64_t index) const override {
    const auto& entry = at(index);
    SourceInfo info{manifest_.shape, label(index), name(index)};
    if (multi_label()) info.targets = entry.labels.empty() ? std::vector<float>(class_names_.size(), std::nanf("")) : entry.labels;
    return std::make_unique<VolumeSource>(
        std::move(info), std::make_unique<CachedVolume>(root_ / entry.file, manifest_.shape, manifest_.settings_digest, entry.digest));
  }

  std::string describe() const override {
    const auto& shape = manifest_.shape;
    return manifest_.name + " " + name_of_split(split_) + ": " + format_count(size()) + " volumes " + std::to_string(shape.frames) + "x" +
           std::to_string(shape.height) + "x" + std::to_string(shape.width) + ", patients: " + format_count(patients()) + ", " +
           (multi_label() ? "labels: " : "classes: ") + std::to_string(class_names_.size()) + ", settings " + manifest_.settings_digest;
  }

  std::vector<std::string> notes() const override {
    std::vector<std::string> lines;
    const auto known = std::count_if(entries_.begin(), entries_.end(), [](const auto& entry) { return !entry.labels.empty(); });
    char text[160];
    for (size_t label = 0; known > 0 && label < manifest_.label_names.size(); ++label) {
      const auto positive =
          std::count_if(entries_.begin(), entries_.end(), [&](const auto& entry) { return !entry.labels.empty() && entry.labels[label] > 0.5f; });
      const double share = 100.0 * static_cast<double>(positive) / static_cast<double>(known);
      std::snprintf(text, sizeof text, "%s: %lld of %lld positive (%.1f %%); always the majority is right in %.1f %%",
                    manifest_.label_names[label].substr(0, 60).c_str(), static_cast<long long>(positive), static_cast<long long>(known), share,
                    std::max(share, 100 - share));
      lines.emplace_back(text);
    }
    std::string spacings = "spacing of the cached volumes, least / median / most mm:";
    const char* const axes[] = {" slices ", ", rows ", ", columns "};
    for (size_t axis = 0; axis < 3; ++axis) {
      std::vector<double> values;
      for (const auto& entry : entries_) values.push_back(entry.spacing_mm[axis]);
      std::sort(values.begin(), values.end());
      std::snprintf(text, sizeof text, "%s%.3g / %.3g / %.3g", axes[axis], values.front(), values[values.size() / 2], values.back());
      spacings += text;
    }
    lines.push_back(spacings);
    return lines;
  }

  std::vector<std::string> verify() const override {
    std::vector<std::string> problems;
    for (const auto& entry : entries_) {
      try {
        CachedVolume(root_ / entry.file, manifest_.shape, manifest_.settings_digest, entry.digest);
      } catch (const DataError& error) {
        problems.emplace_back(error.what());
      }
      const bool any =
          std::any_of(entry.labels.begin() + (entry.labels.empty() ? 0 : 1), entry.labels.end(), [](float label) { return label > 0.5f; });
      if (manifest_.label_names.size() > 1 && manifest_.label_names.front() == "any" && !entry.labels.empty() && any != (entry.labels.front() > 0.5f))
        problems.push_back("volume " + entry.id + " has a label any that is not the OR of its others");
    }
    return problems;
  }

 private:
  const VolumeEntry& at(int64_t index) const { return entries_.at(static_cast<size_t>(index)); }
  std::string name(int64_t index) const { return "volume " + at(index).id; }
  int64_t patients() const {
    std::vector<std::string> names;
    for (const auto& entry : entries_) names.push_back(entry.patient);
    std::sort(names.begin(), names.end());
    return std::unique(names.begin(), names.end()) - names.begin();
  }

  fs::path root_;
  Split split_;
  VolumeLabels labels_;
  VolumeManifest manifest_;
  std::vector<VolumeEntry> entries_;
  std::vector<std::string> class_names_;
};

}  // namespace

std::unique_ptr<Dataset> make_volumes(const VolumesConfig& config, Split split) { return std::make_unique<Volumes>(config, split); }

}  // namespace liere
