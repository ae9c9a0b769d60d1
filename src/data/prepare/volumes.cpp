#include "data/prepare/volumes.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <map>
#include <mutex>

#include "core/check.h"
#include "core/control_group.h"
#include "core/log.h"
#include "core/parallel.h"
#include "data/prepare/archive_sum.h"
#include "data/prepare/volumes_index.h"
#include "data/prepare/volumes_report.h"
#include "data/prepare/volumes_sources.h"
#include "data/volumes/volume_cache.h"

namespace liere {
namespace {

namespace fs = std::filesystem;

constexpr const char* kGoOn = "run the same command again to go on";
constexpr double kHeaderBytes = 4096;  // of a cached volume, and a line of the journal

struct Work {
  const PrepareVolumesOptions& options;
  fs::path root;
  VolumeCacheSettings cache;
  std::string settings_digest;
  Salt salt;
  const VolumeSource& source;
  const LabelTable* labels;  // null: none are known
};

/// Of "mixed_sizes: the sentence", as read_series words it.
CountedFinding finding_of(const DataError& error, const std::string& where) {
  const std::string text = error.what();
  const size_t colon = text.find(": ");
  if (colon > text.find(' ')) return {{"unreadable", where, text, true}, 1};
  return {{text.substr(0, colon), where, text.substr(colon + 2), true}, 1};
}

/// Files that are left out one by one, what is noted of others once for each code. What is said of the series ("series of file ...") is called by it.
std::vector<CountedFinding> counted(const std::vector<VolumeFinding>& findings, const std::string& series) {
  std::vector<CountedFinding> list;
  std::map<std::string, size_t> noted;
  for (auto finding : findings) {
    if (finding.where.starts_with("series of ")) finding.where = series;
    const auto known = noted.find(finding.code);
    if (!finding.rejected && known != noted.end()) {
      ++list[known->second].count;
      continue;
    }
    if (!finding.rejected) noted[finding.code] = list.size();
    list.push_back({finding, 1});
  }
  return list;
}

int64_t positive_slices(const LabelTable& labels, const CtVolume& volume) {
  if (labels.key != LabelKey::kImage) return -1;
  return std::count_if(volume.slice_names.begin(), volume.slice_names.end(), [&](const auto& name) {
    const auto found = labels.values.find(name);
    return found != labels.values.end() && found->second.front() > 0;
  });
}

/// The labels of a volume; false with a finding where it has none that can be used.
bool label(const Work& work, const CtVolume& volume, const std::string& where, PreparedSeries& series) {
  if (!work.labels) return true;
  try {
    series.entry.labels = labels_of(*work.labels, volume);
  } catch (const DataError& error) {
    series.findings.push_back({{"labels_partial", where, error.what(), true}, 1});
    return false;
  }
  if (series.entry.labels.empty()) {
    series.findings.push_back({{"unlabelled", where, "The table of labels has no row for this series: it is left out.", true}, 1});
    return false;
  }
  series.positive_slices = positive_slices(*work.labels, volume);
  return true;
}

PreparedSeries prepare_series(const Work& work, const IndexedSeries& indexed) {
  PreparedSeries series;
  VolumeEntry& entry = series.entry;
  entry.id = indexed.id, series.files = indexed.files_hash;
  const std::string where = "series " + indexed.id;
  std::vector<DicomEntry> files;
  for (const size_t i : indexed.files) files.push_back(work.source.entry(work.source.files()[i], work.salt));
  CtVolume volume;
  try {
    volume = read_series(files);
  } catch (const DataError& error) {
    series.findings.push_back(finding_of(error, where));
    return series;
  }
  series.findings = counted(volume.findings, where);
  if (!label(work, volume, where, series)) return series;
  entry.patient = hashed_identifier(work.salt, "patient", volume.patient);
  entry.slices = volume.hu.shape().frames;
  entry.file = "volumes/" + entry.id + ".hu";
  series.study = hashed_identifier(work.salt, "study", volume.study);
  series.orientation = volume.orientation;
  const Frames hu = resample_volume(volume, work.cache, entry.spacing_mm);
  entry.digest = write_cached_volume(work.root / entry.file, hu, work.settings_digest);
  series.cached_bytes = fs::file_size(work.root / entry.file);
  series.used = true;
  return series;
}

/// A disk or a decoder failed, which may be better the next time.
bool may_have_been_passing(const PreparedSeries& series) {
  return std::any_of(series.findings.begin(), series.findings.end(), [](const auto& one) {
    const std::string text = one.finding.code + " " + one.finding.sentence;  // which counts the codes of files where too few are left
    return one.finding.rejected && (text.find("unreadable") != std::string::npos || text.find("decoder_died") != std::string::npos ||
                                    text.find("decoder_timeout") != std::string::npos);
  });
}

/// What an earlier call made of the same files, and is still there.
bool is_done(const Work& work, const IndexedSeries& indexed, const VolumeJournal& journal) {
  const PreparedSeries* series = journal.series(indexed.id);
  if (!series || series->files != indexed.files_hash || may_have_been_passing(*series)) return false;
  std::error_code absent;
  return !series->used || (fs::file_size(work.root / series->entry.file, absent) == series->cached_bytes && !absent);
}

void require_space(const Work& work, size_t series) {
  const auto& cache = work.cache;
  const double bytes = static_cast<double>(series) * (2.0 * static_cast<double>(cache.slices * cache.rows * cache.columns) + kHeaderBytes);
  const auto available = static_cast<double>(fs::space(work.root).available);
  if (bytes > available)
    throw DataError("The volumes of " + format_count(static_cast<int64_t>(series)) + " series need " + format_bytes(bytes) + " in " +
                    work.root.string() + ", which has " + format_bytes(available) + " free; name a larger disk with --root, or a smaller --size.");
}

/// Reads, resamples and caches what is not done yet.
void prepare_all(const Work& work, const VolumeIndex& index, int64_t workers, VolumeJournal& journal) {
  std::vector<const IndexedSeries*> pending;
  for (const auto& series : index.series)
    if (!is_done(work, series, journal)) pending.push_back(&series);
  require_space(work, pending.size());
  fs::create_directories(work.root / "volumes");
  const auto total = static_cast<int64_t>(index.series.size()), begin = total - static_cast<int64_t>(pending.size());
  if (begin > 0) log_info(format_count(begin) + " of " + format_count(total) + " series were done by an earlier call.");
  ProgressLine progress("volumes", total, begin);
  std::mutex mutex;
  int64_t done = begin;
  const auto start = std::chrono::steady_clock::now();
  parallel_for(static_cast<int64_t>(pending.size()), workers, [&](int64_t i) {
    stop_if_asked("while volumes were made", kGoOn);
    const PreparedSeries series = prepare_series(work, *pending[static_cast<size_t>(i)]);
    stop_if_asked("while volumes were made", kGoOn);  // the signal may have ended the decoder of a compressed file: not a finding
    const std::lock_guard lock(mutex);
    journal.add_series(series);
    ++done;
    const double seconds = std::max(1e-3, std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
    char rate[32];
    std::snprintf(rate, sizeof rate, "%.3g series/s", static_cast<double>(done - begin) / seconds);
    progress.update(done, rate);
  });
  progress.finish();
}

/// What a killed call left half-written beside its place; the journal's lock says that nobody is writing now.
void remove_temporaries(const fs::path& root) {
  for (const auto& folder : {root, root / "volumes", root / "sheets"}) {
    std::error_code error;
    for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error))
      if (it->path().filename().string().find(".tmp-") != std::string::npos) fs::remove(it->path(), error);
  }
}

VolumeManifest make_manifest(const Work& work, const std::string& name, std::vector<PreparedSeries>& series) {
  const auto& options = work.options;
  VolumeManifest manifest;
  manifest.name = name;
  if (work.labels) manifest.label_names = work.labels->names;
  manifest.shape = {work.cache.slices, work.cache.rows, work.cache.columns, 1};
  manifest.settings = work.cache.text(), manifest.settings_digest = work.settings_digest;
  manifest.folds = options.folds, manifest.seed = options.seed;
  for (const auto& one : series)
    if (one.used) manifest.entries.push_back(one.entry);
  if (work.labels) {
    split_by_patient(manifest.entries, {options.validation, options.test, options.folds, options.seed});
    std::sort(manifest.entries.begin(), manifest.entries.end(), [](const auto& a, const auto& b) { return a.id < b.id; });
  } else {
    for (auto& entry : manifest.entries) entry.split = VolumeSplit::kTest;
  }
  size_t at = 0;
  for (auto& one : series)
    if (one.used) one.entry = manifest.entries[at++];
  return manifest;
}

[[noreturn]] void refuse_empty(const PreparedVolumes& prepared) {
  const CountedFinding* first = prepared.findings.empty() ? nullptr : &prepared.findings.front();
  for (const auto& series : prepared.series)
    if (!series.findings.empty() && series.findings.back().finding.rejected) first = &series.findings.back();
  throw DataError("Expected at least one CT series that can be used, found none among " + format_count(prepared.files) + " files" +
                  (first ? " (one reason: " + first->finding.where + ": " + first->finding.sentence + " All are in findings.json.)" : "") + ".");
}

/// Hashes of another salt name nothing: none is made for them.
void require_salt(const PrepareVolumesOptions& options) {
  std::error_code ignored;
  if (options.salt_file.empty() && !fs::exists(fs::path(options.root) / "salt", ignored))
    throw DataError("Expected the salt of the hashes in " + options.root + ", which was not prepared; name the prepared folder with --root.");
}

void check_manifest(const fs::path& root, const VolumeCacheSettings& cache) {
  std::error_code ignored;
  if (!fs::exists(root / "manifest.json", ignored)) return;
  const auto there = read_volume_manifest(root);
  if (there.settings != cache.text())
    throw ConfigError(root.string() + " was prepared with other settings of the cache (there " + there.settings + ", now " + cache.text() +
                      "): give the same ones, or another --root.");
}

}  // namespace

void prepare_volumes(const PrepareVolumesOptions& options) {
  if (!dicom_supported()) throw ConfigError("This program was built without DICOM: install libdcmtk-dev and build it again (LIERE_DICOM).");
  const VolumeCacheSettings cache = cache_settings(options);
  check_shares(options);
  const fs::path root = options.root;
  if (!options.show_file.empty()) require_salt(options);
  make_root(root);
  const VolumeSetSource set(options);
  const Salt salt = load_salt(root, options.salt_file);
  if (!options.show_file.empty()) return show_file(set.source, salt, options.show_file);
  check_manifest(root, cache);
  VolumeJournal journal(root, {cache.text(), set.labels_text, split_text(options)});
  remove_temporaries(root);
  const int64_t workers = options.workers > 0 ? options.workers : usable_processors();
  const LabelTable* labels = set.labels ? &*set.labels : nullptr;
  const VolumeIndex index = index_series(set.source, labels && labels->key == LabelKey::kImage ? labels : nullptr, salt, workers, journal);
  const Work work{options, root, cache, hash_of_text(cache.text()), salt, set.source, labels};
  prepare_all(work, index, workers, journal);

  PreparedVolumes prepared{root, static_cast<int64_t>(set.source.files().size()), {}, set.findings, {}};
  for (const auto& series : index.series) prepared.series.push_back(*journal.series(series.id));
  for (const auto& finding : index.left_out) prepared.findings.push_back({finding, 1});
  for (const auto& finding : find_equal_volumes(prepared.series)) prepared.findings.push_back(finding);
  write_findings(prepared);
  if (std::none_of(prepared.series.begin(), prepared.series.end(), [](const auto& series) { return series.used; })) refuse_empty(prepared);
  prepared.manifest = make_manifest(work, set.name, prepared.series);
  write_sheets(prepared);
  write_volume_manifest(root, prepared.manifest);
  print_summary(prepared);
}

}  // namespace liere
