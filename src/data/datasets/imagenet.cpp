#include "data/datasets/imagenet.h"

#include <algorithm>
#include <filesystem>
#include <unordered_map>

#include "core/check.h"
#include "data/datasets/class_folders.h"
#include "data/datasets/flat_labels.h"
#include "data/datasets/picture_index.h"
#include "data/datasets/picture_list.h"

namespace liere {
namespace {

namespace fs = std::filesystem;

struct Kind {
  std::string name, remedy;
  bool imagenet = false;  // counts are compared with the published ones, and no picture's name may occur twice in val
};

Kind imagenet_kind() {
  return {"ImageNet", "have the official archives fetched and indexed with scripts/fetch-imagenet.sh (or liere-data prepare imagenet --from FOLDER_OF_ARCHIVES), or set data.root to the folder that holds the pictures", true};
}
Kind folder_kind() { return {"Picture folder", "set data.root to the folder that holds train/CLASS/... and val/CLASS/... (scripts/fetch-tiny-imagenet.sh fetches Tiny ImageNet)"}; }

std::string title_of(const Kind& kind, Split split) { return kind.name + (split == Split::kTrain ? " train" : " val"); }

bool is_folder(const fs::path& path) {
  std::error_code ignored;
  return fs::is_directory(path, ignored);
}

/// The folder with train/ and val/: the root, or where Kaggle's archive has them.
fs::path find_base(const fs::path& root, const Kind& kind) {
  for (const char* below : {"", "ILSVRC/Data/CLS-LOC", "Data/CLS-LOC", "CLS-LOC"})
    if (is_folder(root / below / "train") || is_folder(root / below / "val")) return *below ? root / below : root;
  throw DataError(kind.name + " was not found: expected the folders train/ and val/ in " + fs::absolute(root).lexically_normal().string() + "; " + kind.remedy + ".");
}

void require_folder(const fs::path& folder, const std::string& title, const Kind& kind) {
  if (!is_folder(folder)) throw DataError(title + " was not found: expected the folder " + fs::absolute(folder).lexically_normal().string() + "; " + kind.remedy + ".");
}

/// The validation folder holds pictures instead of classes: itself, or its sub-folder images/ beside Tiny ImageNet's list.
bool is_flat(const fs::path& val, const FolderContent& content) {
  if (content.folders == std::vector<std::string>{"images"} && fs::exists(val / "val_annotations.txt")) return true;
  return content.folders.empty() && !content.pictures.empty();
}

/// What one of two sorted lists lacks of the other.
std::vector<std::string> missing_from(const std::vector<std::string>& some, const std::vector<std::string>& all) {
  std::vector<std::string> missing;
  std::set_difference(all.begin(), all.end(), some.begin(), some.end(), std::back_inserter(missing));
  return missing;
}

void compare_classes(const fs::path& base, const std::vector<std::string>& train, const std::vector<std::string>& val, const Kind& kind) {
  if (train == val) return;
  const auto only_train = missing_from(val, train), only_val = missing_from(train, val);
  throw DataError(kind.name + " in " + base.string() + ": expected the same classes in train/ and val/, found " + std::to_string(train.size()) + " and " + std::to_string(val.size()) +
                  (only_train.empty() ? "" : "; only in train/: " + list_some(only_train)) + (only_val.empty() ? "" : "; only in val/: " + list_some(only_val)) +
                  "; complete the data, or remove what is too much.");
}

/// ImageNet gives every validation picture a name of its own: one that occurs in two classes was copied or moved by mistake.
void refuse_repeated_names(const PictureList& list) {
  std::unordered_map<std::string_view, std::string_view> seen;
  for (const auto& picture : list.pictures) {
    const auto name = list.name(picture), file = name.substr(name.rfind('/') + 1);
    const auto [other, fresh] = seen.emplace(file.substr(0, file.rfind('.')), name);
    if (!fresh) throw DataError(list.title + ": expected each picture once, found " + std::string(other->second) + " and " + std::string(name) + "; remove the wrong one.");
  }
}

void add_class_folders(PictureList& list, const fs::path& folder, const std::string& prefix) {
  const auto contents = list_class_folders(folder, list.class_names, list.title);
  for (size_t c = 0; c < contents.size(); ++c) {
    list.ignored += contents[c].ignored;
    for (const auto& picture : contents[c].pictures) list.add(static_cast<int64_t>(c), prefix + list.class_names[c] + "/" + picture);
  }
}

PictureList list_folders(const fs::path& root, Split split, const Kind& kind) {
  const fs::path base = find_base(root, kind);
  const std::string title = title_of(kind, split), below = base == root ? "" : fs::relative(base, root).string() + "/";
  require_folder(base / "train", title_of(kind, Split::kTrain), kind);
  const FolderContent train = list_folder(base / "train", false);
  PictureList list;
  list.title = title;
  list.layout = "class folders";
  list.root = root;
  list.class_names = train.folders;
  if (list.class_names.empty()) throw DataError(title + ": expected one folder for each class in " + (base / "train").string() + ", found none; " + kind.remedy + ".");
  const bool has_val = is_folder(base / "val");
  if (split == Split::kTest) require_folder(base / "val", title, kind);
  const FolderContent val = has_val ? list_folder(base / "val", false) : FolderContent();
  const bool flat = has_val && is_flat(base / "val", val);
  if (has_val && !flat) compare_classes(base, train.folders, val.folders, kind);
  if (split == Split::kTrain || !flat) {
    list.ignored = static_cast<int64_t>(split == Split::kTrain ? train.ignored + train.pictures.size() : val.ignored + val.pictures.size());
    const std::string name = split == Split::kTrain ? "train" : "val";
    add_class_folders(list, base / name, below + name + "/");
    if (split == Split::kTest && kind.imagenet) refuse_repeated_names(list);
    return list;
  }
  const std::string folder = val.folders.empty() ? "val" : "val/images";
  const FolderContent pictures = val.folders.empty() ? val : list_folder(base / folder, false);
  const FlatLabels labels = label_flat_folder({root, base, base / folder, title}, pictures.pictures, list.class_names);
  list.layout = "flat folder with " + labels.list;
  list.ignored = pictures.ignored + (val.folders.empty() ? 0 : val.ignored);
  for (size_t i = 0; i < labels.labels.size(); ++i) list.add(labels.labels[i], below + folder + "/" + pictures.pictures[i]);
  return list;
}

std::unique_ptr<Dataset> open_root(const fs::path& root, Split split, const Kind& kind) {
  PictureList list;
  std::error_code ignored;
  const bool indexed = kind.imagenet && (fs::exists(root / index_name(Split::kTrain), ignored) || fs::exists(root / index_name(Split::kTest), ignored));
  if (indexed) {
    if (!fs::exists(root / index_name(split), ignored)) throw DataError(title_of(kind, split) + ": expected " + index_name(split) + " in " + root.string() + " beside the other split's; run liere-data prepare imagenet again.");
    list = read_picture_index(root / index_name(split)).list;
    list.title = title_of(kind, split);
    list.root = root;
  } else {
    list = list_folders(root, split, kind);
  }
  if (kind.imagenet) {
    list.official_size = split == Split::kTrain ? 1281167 : 50000;
    list.official_classes = 1000;
  }
  return make_picture_dataset(std::move(list));
}

}  // namespace

std::unique_ptr<Dataset> make_imagenet(const ImagenetConfig& config, Split split) { return open_root(config.root, split, imagenet_kind()); }
std::unique_ptr<Dataset> make_folder(const FolderConfig& config, Split split) { return open_root(config.root, split, folder_kind()); }

}  // namespace liere
