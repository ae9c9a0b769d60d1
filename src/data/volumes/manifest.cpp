#include "data/volumes/manifest.h"

#include <xxhash.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "core/check.h"
#include "core/files.h"

namespace liere {
namespace {

namespace fs = std::filesystem;
using nlohmann::ordered_json;

constexpr auto kFormat = "liere-volumes 1";
constexpr int64_t kLongestAxis = 65536;
constexpr int kDeepest = 8;  // a manifest nests three deep
constexpr const char* kRemedy = ". Prepare the volumes again with liere-data prepare rsna or liere-data prepare volumes.";
constexpr std::pair<VolumeSplit, const char*> kSplits[] = {
    {VolumeSplit::kTrain, "train"}, {VolumeSplit::kValidation, "validation"}, {VolumeSplit::kTest, "test"}};

std::string digest_of(const std::string& text) {
  char digest[17];
  std::snprintf(digest, sizeof digest, "%016llx", static_cast<unsigned long long>(XXH3_64bits(text.data(), text.size())));
  return digest;
}

[[noreturn]] void fail(const fs::path& path, const std::string& what) { throw DataError("the manifest " + path.string() + " " + what + kRemedy); }

std::string split_name(VolumeSplit split) {
  for (const auto& [value, name] : kSplits)
    if (value == split) return name;
  return "";
}

ordered_json to_json(const VolumeEntry& entry) {
  return {{"id", entry.id},         {"patient", entry.patient}, {"split", split_name(entry.split)}, {"fold", entry.fold},
          {"labels", entry.labels}, {"slices", entry.slices},   {"spacing_mm", entry.spacing_mm},   {"file", entry.file},
          {"digest", entry.digest}};
}

VolumeEntry entry_of(const ordered_json& object) {
  VolumeEntry entry;
  object.at("id").get_to(entry.id);
  object.at("patient").get_to(entry.patient);
  const auto split = object.at("split").get<std::string>();
  const auto* found = std::find_if(std::begin(kSplits), std::end(kSplits), [&](const auto& known) { return known.second == split; });
  if (found == std::end(kSplits)) throw std::runtime_error("an unknown split '" + split + "'");
  entry.split = found->first;
  object.at("fold").get_to(entry.fold);
  object.at("labels").get_to(entry.labels);
  object.at("slices").get_to(entry.slices);
  object.at("spacing_mm").get_to(entry.spacing_mm);
  object.at("file").get_to(entry.file);
  object.at("digest").get_to(entry.digest);
  return entry;
}

bool is_hash(const std::string& text) { return text.size() == 16 && text.find_first_not_of("0123456789abcdef") == std::string::npos; }

/// What is wrong with one entry; empty if nothing is.
std::string defect(const VolumeManifest& manifest, const VolumeEntry& entry) {
  const fs::path file = entry.file;
  if (!is_hash(entry.id) || !is_hash(entry.patient) || !is_hash(entry.digest)) return "an id, patient or digest that is not of 16 hexadecimal digits";
  if (file.empty() || file.is_absolute() || file.lexically_normal().string().starts_with("..")) return "a file outside of its folder";
  if (!entry.labels.empty() && entry.labels.size() != manifest.label_names.size()) return "another number of labels than names";
  if (std::any_of(entry.labels.begin(), entry.labels.end(), [](float label) { return label != 0 && label != 1; }))
    return "a label that is not 0 or 1";
  if (entry.fold < 0 || entry.fold >= manifest.folds) return "a fold out of range";
  if (entry.slices < 1 || std::any_of(entry.spacing_mm.begin(), entry.spacing_mm.end(), [](double mm) { return !(mm > 0) || !std::isfinite(mm); }))
    return "no slices, or a spacing that is not positive";
  return "";
}

/// Throws DataError.
void check(const VolumeManifest& manifest, const fs::path& path) {
  const auto& shape = manifest.shape;
  if (std::min({shape.frames, shape.height, shape.width}) < 1 || std::max({shape.frames, shape.height, shape.width}) > kLongestAxis ||
      shape.channels != 1)
    fail(path, "has volumes without voxels, of several channels, or of more than " + std::to_string(kLongestAxis) + " voxels along an axis");
  if (manifest.folds < 1) fail(path, "has no folds");
  if (digest_of(manifest.settings) != manifest.settings_digest) fail(path, "has settings that do not have their digest");
  std::map<std::string, const VolumeEntry*> of_patient;
  std::set<std::string> files;
  const VolumeEntry* before = nullptr;
  for (const auto& entry : manifest.entries) {
    if (const auto what = defect(manifest, entry); !what.empty()) fail(path, "has, in entry " + entry.id + ", " + what);
    if (before && before->id >= entry.id) fail(path, "has entries out of order, or " + entry.id + " twice");
    before = &entry;
    if (!files.insert(entry.file).second) fail(path, "has the file of entry " + entry.id + " twice");
    const auto [other, fresh] = of_patient.emplace(entry.patient, &entry);
    if (!fresh && (other->second->split != entry.split || other->second->fold != entry.fold))
      fail(path, "has patient " + entry.patient + " in two splits or folds (entries " + other->second->id + " and " + entry.id + ")");
  }
}

/// JSON is UTF-8; names of folders need not be.
void check_text(const std::string& text, const fs::path& path) {
  try {
    ordered_json(text).dump();
  } catch (const ordered_json::exception&) {
    throw DataError("the manifest " + path.string() + " cannot be written: a name in it is not UTF-8. Rename the folder or the column of labels.");
  }
}

}  // namespace

VolumeManifest read_volume_manifest(const fs::path& root) {
  const auto path = root / "manifest.json";
  std::error_code ignored;
  if (!fs::exists(path, ignored))
    throw DataError("there are no prepared volumes in " + root.string() +
                    " (no manifest.json). Make them with liere-data prepare rsna --from FOLDER --root " + root.string() +
                    ", or liere-data prepare volumes.");
  VolumeManifest manifest;
  try {
    auto object = ordered_json::parse(read_file(path), [](int depth, ordered_json::parse_event_t, ordered_json&) {
      if (depth > kDeepest) throw std::runtime_error("values within values more than " + std::to_string(kDeepest) + " deep");
      return true;
    });
    if (object.value("format", "") != kFormat) fail(path, "is of another version ('" + object.value("format", "") + "', expected '" + kFormat + "')");
    const auto digest = object.at("digest").get<std::string>();
    object.erase("digest");
    if (digest_of(object.dump()) != digest) fail(path, "was changed after it was written: it does not have its own digest");
    object.at("name").get_to(manifest.name);
    object.at("label_names").get_to(manifest.label_names);
    const auto shape = object.at("shape").get<std::array<int64_t, 3>>();
    manifest.shape = {shape[0], shape[1], shape[2], 1};
    object.at("settings").get_to(manifest.settings);
    object.at("settings_digest").get_to(manifest.settings_digest);
    object.at("folds").get_to(manifest.folds);
    object.at("seed").get_to(manifest.seed);
    for (const auto& entry : object.at("volumes")) manifest.entries.push_back(entry_of(entry));
  } catch (const Error&) {
    throw;
  } catch (const std::exception& error) {
    fail(path, std::string("cannot be read: ") + error.what());
  }
  check(manifest, path);
  return manifest;
}

void write_volume_manifest(const fs::path& root, const VolumeManifest& manifest) {
  const auto path = root / "manifest.json";
  check(manifest, path);
  for (const auto& label : manifest.label_names) check_text(label, path);
  for (const auto* text : {&manifest.name, &manifest.settings}) check_text(*text, path);
  for (const auto& entry : manifest.entries) check_text(entry.file, path);
  ordered_json object = {{"format", kFormat},
                         {"name", manifest.name},
                         {"label_names", manifest.label_names},
                         {"shape", {manifest.shape.frames, manifest.shape.height, manifest.shape.width}},
                         {"settings", manifest.settings},
                         {"settings_digest", manifest.settings_digest},
                         {"folds", manifest.folds},
                         {"seed", manifest.seed},
                         {"volumes", ordered_json::array()}};
  for (const auto& entry : manifest.entries) object["volumes"].push_back(to_json(entry));
  const auto digest = digest_of(object.dump());
  object["digest"] = digest;
  // A line for each volume: people compare manifests.
  auto volumes = std::move(object["volumes"]);
  object["volumes"] = "@";
  std::string lines = "[";
  for (size_t i = 0; i < volumes.size(); ++i) lines += (i ? ",\n    " : "\n    ") + volumes[i].dump();
  auto text = object.dump(2) + "\n";
  text.replace(text.rfind("\"@\""), 3, lines + "\n  ]");
  write_file_atomically(path, text);
}

}  // namespace liere
