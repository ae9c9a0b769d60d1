#include "data/prepare/volumes_sources.h"

#include <charconv>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <sstream>

#include "core/check.h"
#include "core/files.h"
#include "core/log.h"

namespace liere {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kTrain = "stage_2_train/", kTest = "stage_2_test/", kTable = "stage_2_train.csv";
constexpr uint64_t kMaxTableBytes = uint64_t(1) << 30;
constexpr int64_t kMaxSide = 4096;
constexpr double kMinMillimetres = 0.01, kMaxMillimetres = 100;

template <typename Number>
bool read_number(std::string_view text, Number& value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size();
}

bool read_size(std::string_view text, VolumeCacheSettings& cache) {
  const size_t first = text.find(','), second = text.find(',', first + 1);
  if (first == std::string_view::npos || second == std::string_view::npos) return false;
  const auto in_range = [](int64_t side) { return side >= 1 && side <= kMaxSide; };
  return read_number(text.substr(0, first), cache.slices) && read_number(text.substr(first + 1, second - first - 1), cache.rows) &&
         read_number(text.substr(second + 1), cache.columns) && in_range(cache.slices) && in_range(cache.rows) && in_range(cache.columns);
}

/// What lies behind a folder's name in a path, or nothing.
std::string_view behind(std::string_view path, std::string_view folder) {
  if (path.starts_with(folder)) return path.substr(folder.size());
  const size_t at = path.find("/" + std::string(folder));
  return at == std::string_view::npos ? std::string_view() : path.substr(at + 1 + folder.size());
}

bool is_table(std::string_view path) { return path == kTable || path.ends_with("/" + std::string(kTable)); }

std::string labels_text_of(const char* form, const std::string& table) {
  return nlohmann::json{{"form", form}, {"digest", hash_of_text(table)}}.dump();
}

/// RSNA's: the table, then the slices of stage_2_train; the paths begin behind that folder, however the set was packed.
void take_rsna(const std::string& from, VolumeSetSource& set) {
  set.name = "RSNA 2019";
  const SourceFile* table = nullptr;
  int64_t tables = 0, tests = 0, trains = 0;
  for (const auto& file : set.source.files()) {
    if (is_table(file.path)) table = &file, ++tables;
    if (!behind(file.path, kTest).empty()) ++tests;
    if (!behind(file.path, kTrain).empty()) ++trains;
  }
  if (tables != 1 || trains == 0)
    throw DataError("Expected stage_2_train/ with slices and one stage_2_train.csv in " + from + ", found " + format_count(trains) + " slices and " +
                    format_count(tables) + " tables; name the folder or zip that holds both with --from.");
  const std::string text = set.source.read(*table, std::string(kTable), kMaxTableBytes);
  std::istringstream lines(text);
  set.labels = read_rsna_labels(lines, std::string(kTable));
  set.labels_text = labels_text_of("rsna", text);
  if (set.labels->merged > 0)
    set.findings.push_back(
        {{"labels_merged", std::string(kTable), "Rows that repeat another one with equal labels count once.", false}, set.labels->merged});
  if (tests > 0)
    set.findings.push_back(
        {{"test_without_labels", "stage_2_test", "The labels of stage_2_test are not public: its files are left out.", true}, tests});
  set.source.keep([](SourceFile& file) {
    const std::string path(behind(file.path, kTrain));
    file.path = path;
    return !path.empty();
  });
}

void take_volumes(const PrepareVolumesOptions& options, VolumeSetSource& set) {
  const fs::path root = fs::absolute(options.root).lexically_normal();
  set.name = (root.has_filename() ? root : root.parent_path()).filename().string();
  set.labels_text = labels_text_of("none", "");
  if (options.labels.empty()) return;
  const std::string text = read_file(options.labels, kMaxTableBytes);
  std::istringstream lines(text);
  set.labels = read_volume_labels(lines, options.labels);
  set.labels_text = labels_text_of("volumes", text);
  set.source.keep([&](SourceFile& file) {  // the table itself, where it lies among the files
    std::error_code absent;
    return file.size != text.size() || !fs::equivalent(fs::path(options.from) / file.place, options.labels, absent);
  });
}

}  // namespace

VolumeCacheSettings cache_settings(const PrepareVolumesOptions& options) {
  VolumeCacheSettings cache;
  if (!read_size(options.size, cache))
    throw ConfigError("--size: expected slices, rows and columns from 1 to " + std::to_string(kMaxSide) + " like 32,224,224, found \"" +
                      options.size + "\".");
  const std::string_view spacing = options.spacing;
  if (spacing == "grid") return cache;
  cache.iso = true;
  if (!spacing.starts_with("iso:") || !read_number(spacing.substr(4), cache.millimetres) ||
      !(cache.millimetres >= kMinMillimetres && cache.millimetres <= kMaxMillimetres))
    throw ConfigError("--spacing: expected grid, or iso: and millimetres from 0.01 to 100 like iso:1.0, found \"" + options.spacing + "\".");
  return cache;
}

void check_shares(const PrepareVolumesOptions& options) {
  if (!(options.validation >= 0 && options.test >= 0 && options.validation + options.test < 1))
    throw ConfigError("--validation and --test: expected shares from 0 that leave something for training, found " +
                      std::to_string(options.validation) + " and " + std::to_string(options.test) + ".");
  if (options.folds < 1) throw ConfigError("--folds: expected 1 or more, found " + std::to_string(options.folds) + ".");
  if (options.workers < 0) throw ConfigError("--workers: expected 0 (all processors) or more, found " + std::to_string(options.workers) + ".");
}

std::string split_text(const PrepareVolumesOptions& options) {
  return nlohmann::json{{"validation", options.validation}, {"test", options.test}, {"folds", options.folds}, {"seed", options.seed}}.dump();
}

void make_root(const fs::path& root) {
  std::error_code error;
  fs::create_directories(root, error);
  if (error) throw DataError("The folder " + root.string() + " cannot be made: " + error.message() + "; name another one with --root.");
}

VolumeSetSource::VolumeSetSource(const PrepareVolumesOptions& options) : source(options.from) {
  if (options.rsna)
    take_rsna(options.from, *this);
  else
    take_volumes(options, *this);
}

void show_file(const VolumeSource& source, const Salt& salt, const std::string& hash) {
  for (const auto& file : source.files()) {
    if (neutral_name(file, salt) != "file " + hash) continue;
    std::printf("%s\n", file.place.c_str());
    return;
  }
  throw DataError("No file is called " + hash + " with this --root or --salt-file; give the hash as findings.json has it, without the word file.");
}

}  // namespace liere
