#include "data/prepare/volumes_report.h"

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <tuple>

#include "core/files.h"
#include "core/log.h"
#include "data/png.h"
#include "data/volumes/contact_sheet.h"
#include "data/volumes/volume_cache.h"

namespace liere {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

constexpr size_t kSheets = 8;
constexpr int64_t kListed = 1000;  // findings of a code in findings.json

template <typename Body>
void each_finding(const PreparedVolumes& prepared, const Body& body) {
  for (const auto& finding : prepared.findings) body(finding);
  for (const auto& series : prepared.series)
    for (const auto& finding : series.findings) body(finding);
}

std::map<std::string, int64_t> counts_of(const PreparedVolumes& prepared, bool left_out) {
  std::map<std::string, int64_t> counts;
  each_finding(prepared, [&](const CountedFinding& one) {
    if (one.finding.rejected == left_out) counts[one.finding.code] += one.count;
  });
  return counts;
}

/// "2 gap, 1 truncated".
std::string text_of(const std::map<std::string, int64_t>& counts) {
  std::string text;
  for (const auto& [code, count] : counts) text += (text.empty() ? "" : ", ") + format_count(count) + " " + code;
  return text.empty() ? "nothing" : text;
}

std::string percent(int64_t part, int64_t whole) {
  if (whole == 0 || part < 0) return "-";
  char text[32];
  std::snprintf(text, sizeof text, "%.1f %%", 100.0 * static_cast<double>(part) / static_cast<double>(whole));
  return text;
}

bool is_positive(const PreparedSeries& series) { return !series.entry.labels.empty() && series.entry.labels.front() > 0; }

/// What a row of the summary counts.
struct Counts {
  int64_t series = 0, positive_series = 0, slices = 0, positive_slices = 0, positive_studies = 0;
  std::set<std::string> studies, patients;
};

Counts count(const PreparedVolumes& prepared, const VolumeSplit* split) {
  Counts counts;
  std::set<std::string> positive;
  for (const auto& series : prepared.series) {
    if (!series.used || (split && series.entry.split != *split)) continue;
    ++counts.series, counts.positive_series += is_positive(series);
    counts.slices += series.entry.slices;
    counts.positive_slices = series.positive_slices < 0 ? -1 : counts.positive_slices + series.positive_slices;
    counts.studies.insert(series.study), counts.patients.insert(series.entry.patient);
    if (is_positive(series)) positive.insert(series.study);
  }
  counts.positive_studies = static_cast<int64_t>(positive.size());
  return counts;
}

void print_row(const char* name, const Counts& counts, bool labelled, bool positive_majority) {
  const auto studies = static_cast<int64_t>(counts.studies.size()), patients = static_cast<int64_t>(counts.patients.size());
  std::printf("%-11s %8s %8s %9s", name, format_count(counts.series).c_str(), format_count(studies).c_str(), format_count(patients).c_str());
  if (labelled)
    std::printf(" %17s %16s %18s", percent(counts.positive_studies, studies).c_str(), percent(counts.positive_slices, counts.slices).c_str(),
                percent(positive_majority ? counts.positive_series : counts.series - counts.positive_series, counts.series).c_str());
  std::printf("\n");
}

}  // namespace

std::vector<CountedFinding> find_equal_volumes(const std::vector<PreparedSeries>& series) {
  struct Group {
    std::set<std::string> patients;
    std::set<std::vector<float>> labels;
  };
  std::map<std::string, Group> groups;
  for (const auto& one : series)
    if (one.used) groups[one.entry.digest].patients.insert(one.entry.patient), groups[one.entry.digest].labels.insert(one.entry.labels);
  int64_t shared = 0, differing = 0;
  for (const auto& [digest, group] : groups)
    if (group.patients.size() > 1) ++shared, differing += group.labels.size() > 1;
  if (shared == 0) return {};
  return {{{"equal_volumes", "all series",
            format_count(shared) + " groups of equal volumes belong to more than one patient each, " + format_count(differing) +
                " of them with different labels: the split is by patient, so an equal volume may lie in two parts. Nothing was left out.",
            false},
           shared}};
}

void write_findings(const PreparedVolumes& prepared) {
  std::vector<CountedFinding> findings;
  each_finding(prepared, [&](const CountedFinding& one) { findings.push_back(one); });
  std::sort(findings.begin(), findings.end(), [](const auto& a, const auto& b) {
    return std::tie(a.finding.code, a.finding.where, a.finding.sentence) < std::tie(b.finding.code, b.finding.where, b.finding.sentence);
  });
  int64_t used = 0;
  for (const auto& series : prepared.series) used += series.used;
  Json report = {{"files", prepared.files},
                 {"series", prepared.series.size()},
                 {"series_used", used},
                 {"left_out", counts_of(prepared, true)},
                 {"noted", counts_of(prepared, false)},
                 {"findings", Json::array()}};
  std::map<std::string, int64_t> listed;
  for (const auto& [finding, count] : findings) {
    if (++listed[finding.code] > kListed) continue;
    report["findings"].push_back(
        {{"code", finding.code}, {"where", finding.where}, {"sentence", finding.sentence}, {"left_out", finding.rejected}, {"count", count}});
  }
  write_file_atomically(prepared.root / "findings.json", report.dump(2, ' ', false, Json::error_handler_t::replace) + "\n");
}

void write_sheets(const PreparedVolumes& prepared) {
  const auto& shape = prepared.manifest.shape;
  fs::create_directories(prepared.root / "sheets");
  size_t drawn = 0;
  for (const auto& series : prepared.series) {
    if (!series.used) continue;
    const CachedVolume cached(prepared.root / series.entry.file, shape, prepared.manifest.settings_digest, series.entry.digest);
    CtVolume volume;
    volume.hu = Frames(PixelType::kI16, shape);
    std::memcpy(volume.hu.i16(), cached.values(), volume.hu.size_bytes());
    volume.spacing_mm = series.entry.spacing_mm, volume.orientation = series.orientation;
    write_png(prepared.root / "sheets" / (series.entry.id + ".png"), contact_sheet(volume));
    if (++drawn == kSheets) return;
  }
}

void print_summary(const PreparedVolumes& prepared) {
  const auto& manifest = prepared.manifest;
  const bool labelled = !manifest.label_names.empty();
  const auto used = static_cast<int64_t>(manifest.entries.size());
  uint64_t bytes = 0;
  for (const auto& series : prepared.series) bytes += series.used ? series.cached_bytes : 0;
  std::printf("%s is in %s: %s of %s series of %s files, as volumes of %ld x %ld x %ld (%s)\n", manifest.name.c_str(), prepared.root.c_str(),
              format_count(used).c_str(), format_count(static_cast<int64_t>(prepared.series.size())).c_str(), format_count(prepared.files).c_str(),
              long(manifest.shape.frames), long(manifest.shape.height), long(manifest.shape.width), format_bytes(static_cast<double>(bytes)).c_str());
  std::printf("%-11s %8s %8s %9s%s\n", "", "series", "studies", "patients", labelled ? "  positive studies  positive slices  majority baseline" : "");
  const VolumeSplit train = VolumeSplit::kTrain;
  const Counts training = count(prepared, &train);
  const bool positive = 2 * training.positive_series > training.series;
  for (const auto& [split, name] : {std::pair(VolumeSplit::kTrain, "train"), {VolumeSplit::kValidation, "validation"}, {VolumeSplit::kTest, "test"}})
    print_row(name, count(prepared, &split), labelled, positive);
  print_row("all", count(prepared, nullptr), labelled, positive);
  if (labelled)
    std::printf("positive: %s; majority baseline: accuracy by series of the more frequent answer in training, %s\n",
                manifest.label_names.front().c_str(), positive ? "positive" : "negative");
  else
    std::printf("no labels: every series is in the test part, for prediction\n");
  std::printf("left out: %s\nnoted: %s\n", text_of(counts_of(prepared, true)).c_str(), text_of(counts_of(prepared, false)).c_str());
  std::printf("written: manifest.json, findings.json, volumes/, sheets/ (look at them). Use it with data.root=%s\n", prepared.root.c_str());
  std::fflush(stdout);
}

}  // namespace liere
