#include "data/datasets/flat_labels.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <set>

#include "core/check.h"
#include "core/files.h"
#include "data/datasets/class_table.h"
#include "data/datasets/label_files.h"
#include "data/datasets/picture_list.h"

namespace liere {
namespace {

namespace fs = std::filesystem;
constexpr uint64_t kMaxListBytes = uint64_t(64) << 20;

std::optional<fs::path> find_in(const std::vector<fs::path>& folders, const std::vector<std::string>& names) {
  std::error_code ignored;
  for (const auto& folder : folders)
    for (const auto& name : names)
      if (fs::exists(folder / name, ignored)) return folder / name;
  return std::nullopt;
}

/// ILSVRC2012_val_00000017 -> 17; 0 when the name is another one.
int64_t number_of(std::string_view stem) {
  constexpr std::string_view kPrefix = "ILSVRC2012_val_";
  if (!stem.starts_with(kPrefix)) return 0;
  int64_t number = 0;
  const auto [end, error] = std::from_chars(stem.data() + kPrefix.size(), stem.data() + stem.size(), number);
  return error == std::errc() && end == stem.data() + stem.size() ? number : 0;
}

std::string numbered(int64_t number) {
  const std::string digits = std::to_string(number);
  return "ILSVRC2012_val_" + std::string(digits.size() < 8 ? 8 - digits.size() : 0, '0') + digits;
}

/// The devkit's two files as one list; nullopt when its ground truth is nowhere.
std::optional<LabelsByName> read_devkit(const FlatFolder& folder, std::string& list) {
  std::vector<fs::path> folders;
  for (const auto& above : {folder.root, folder.base, folder.val})
    for (const char* below : {"", "data", "ILSVRC2012_devkit_t12/data", "devkit/data"}) folders.push_back(above / below);
  const auto truth_path = find_in(folders, {"ILSVRC2012_validation_ground_truth.txt"});
  if (!truth_path) return std::nullopt;
  folders.insert(folders.begin(), truth_path->parent_path());
  const auto table_path = find_in(folders, {"meta.mat", "ILSVRC2012_classes.txt"});
  if (!table_path)
    throw DataError(folder.title + ": expected meta.mat of ILSVRC2012_devkit_t12.tar.gz, or ILSVRC2012_classes.txt with lines \"ILSVRC2012_ID WNID\", beside " + truth_path->string() +
                    ", found neither: without it nobody knows which class a label is.");
  const std::string text = read_file(*table_path, kMaxListBytes);
  const auto wnids = table_path->extension() == ".mat" ? parse_meta_mat(text, table_path->string()) : parse_class_table(text, table_path->string());
  const auto truth = parse_ground_truth(read_file(*truth_path, kMaxListBytes), static_cast<int64_t>(wnids.size()), truth_path->string());
  LabelsByName labels;
  for (size_t i = 0; i < truth.size(); ++i) labels.emplace(numbered(static_cast<int64_t>(i) + 1), wnids[truth[i] - 1]);
  list = truth_path->filename().string();
  return labels;
}

LabelsByName read_labels(const FlatFolder& folder, std::string& list) {
  if (const auto path = find_in({folder.val, folder.val.parent_path()}, {"val_annotations.txt"})) {
    list = path->filename().string();
    return parse_tiny_imagenet_labels(read_file(*path, kMaxListBytes), path->string());
  }
  if (const auto path = find_in({folder.root, folder.base, folder.val}, {"LOC_val_solution.csv"})) {
    list = path->filename().string();
    return parse_kaggle_labels(read_file(*path, kMaxListBytes), path->string());
  }
  if (auto labels = read_devkit(folder, list)) return std::move(*labels);
  throw DataError(folder.title + ": the pictures in " + folder.val.string() + " are not in class folders, expected a list of their classes, found none: put LOC_val_solution.csv (Kaggle), or "
                  "ILSVRC2012_validation_ground_truth.txt and meta.mat (from ILSVRC2012_devkit_t12.tar.gz), into " + folder.root.string() + ".");
}

}  // namespace

FlatLabels label_flat_folder(const FlatFolder& folder, const std::vector<std::string>& pictures, const std::vector<std::string>& class_names) {
  FlatLabels result;
  const LabelsByName labels = read_labels(folder, result.list);
  std::set<std::string_view> stems;
  std::vector<std::string> unlabelled, unknown, vanished;
  for (const auto& picture : pictures) {
    const auto stem = std::string_view(picture).substr(0, picture.rfind('.'));
    if (!stems.insert(stem).second) throw DataError(folder.val.string() + " holds the picture " + std::string(stem) + " twice, with different endings; remove the copy.");
    const auto found = labels.find(stem);
    if (found == labels.end()) {
      unlabelled.push_back(number_of(stem) > 0 || result.list != "ILSVRC2012_validation_ground_truth.txt" ? picture : picture + " (expected a name such as ILSVRC2012_val_00000001.JPEG)");
      continue;
    }
    const auto place = std::lower_bound(class_names.begin(), class_names.end(), found->second);
    if (place == class_names.end() || *place != found->second) unknown.push_back(found->second);
    else result.labels.push_back(place - class_names.begin());
  }
  for (const auto& [name, label] : labels)
    if (!stems.contains(name)) vanished.push_back(name);
  if (!unlabelled.empty()) throw DataError(folder.title + ": expected a row in " + result.list + " for every picture of " + folder.val.string() + ", found none for " + list_some(unlabelled) + "; fetch the list again.");
  std::sort(unknown.begin(), unknown.end());
  unknown.erase(std::unique(unknown.begin(), unknown.end()), unknown.end());
  if (!unknown.empty()) throw DataError(folder.title + ": " + result.list + " has the classes " + list_some(unknown) + ", for which there are no folders in " + (folder.base / "train").string() + "; complete the training set.");
  if (!vanished.empty()) throw DataError(folder.title + ": expected a picture in " + folder.val.string() + " for every row of " + result.list + ", found none for " + list_some(vanished) + "; fetch the pictures again.");
  return result;
}

}  // namespace liere
