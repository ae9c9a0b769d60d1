#include "data/dicom/look.h"

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>

#include "core/check.h"
#include "core/control_group.h"
#include "core/files.h"
#include "core/log.h"
#include "core/parallel.h"
#include "core/signals.h"
#include "data/dicom/series.h"
#include "data/png.h"
#include "data/volumes/contact_sheet.h"

namespace liere {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

constexpr uint64_t kMaxFileBytes = uint64_t(256) << 20;
constexpr int64_t kHeadersAtOnce = 256;  // between two looks at the stop signal

std::vector<DicomEntry> files_below(const fs::path& folder) {
  std::error_code error;
  if (!fs::is_directory(folder, error)) throw DataError("Expected a folder with DICOM files at " + folder.string() + (fs::exists(folder, error) ? ", found a file." : ", which is not there."));
  std::vector<fs::path> paths;
  for (fs::recursive_directory_iterator it(folder, fs::directory_options::skip_permission_denied, error), end; it != end; it.increment(error)) {
    if (error) throw DataError(folder.string() + " cannot be searched: " + error.message() + ".");
    if (it->is_regular_file(error)) paths.push_back(it->path());
  }
  std::sort(paths.begin(), paths.end());
  std::vector<DicomEntry> entries;
  for (const auto& path : paths) entries.push_back({path.lexically_relative(folder).string(), [path] { return read_file(path, kMaxFileBytes); }});
  return entries;
}

void stop_if_asked() {
  if (stop_requested()) throw Error(ExitCode::kStoppedEarly, std::string("Stopped by ") + stop_signal_name() + "; run the same command again.");
}

Json json_of(const std::vector<VolumeFinding>& findings) {
  Json list = Json::array();
  for (const auto& finding : findings) list.push_back({{"code", finding.code}, {"where", finding.where}, {"sentence", finding.sentence}, {"left_out", finding.rejected}});
  return list;
}

/// "3 truncated, 1 rows".
std::string counts_of(const std::vector<VolumeFinding>& findings, bool rejected) {
  std::map<std::string, int64_t> counts;
  for (const auto& finding : findings)
    if (finding.rejected == rejected) ++counts[finding.code];
  std::string text;
  for (const auto& [code, count] : counts) text += (text.empty() ? "" : ", ") + format_count(count) + " " + code;
  return text;
}

std::string millimetres(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.3g", value);
  return text;
}

/// Files by series; those whose header is refused become findings.
std::map<std::string, std::vector<DicomEntry>> series_of(const std::vector<DicomEntry>& entries, std::vector<VolumeFinding>& refused) {
  const auto count = static_cast<int64_t>(entries.size());
  std::vector<DicomHeader> headers(entries.size());
  std::vector<VolumeFinding> findings(entries.size());
  std::vector<char> good(entries.size());
  ProgressLine progress("headers", count);
  for (int64_t begin = 0; begin < count; begin += kHeadersAtOnce) {
    stop_if_asked();
    const int64_t part = std::min(kHeadersAtOnce, count - begin);
    parallel_for(part, usable_processors(), [&](int64_t i) {
      const auto at = static_cast<size_t>(begin + i);
      good[at] = read_dicom_header(entries[at], headers[at], findings[at]);
    });
    progress.update(begin + part, "");
  }
  progress.finish();
  std::map<std::string, std::vector<DicomEntry>> series;
  for (size_t i = 0; i < entries.size(); ++i) {
    if (good[i]) series[headers[i].patient + '\n' + headers[i].study + '\n' + headers[i].series].push_back(entries[i]);
    else refused.push_back(findings[i]);
  }
  return series;
}

Json look_at(int64_t number, const std::vector<DicomEntry>& files, const LookOptions& options) {
  Json object = {{"series", number}, {"files", files.size()}, {"first_file", files.front().name}};
  std::string text = "series " + std::to_string(number) + " (" + format_count(static_cast<int64_t>(files.size())) + " files, the first " + files.front().name + "): ";
  CtVolume volume;
  try {
    volume = read_series(files);
  } catch (const DataError& error) {
    object["refused"] = error.what();
    std::printf("%scannot be used: %s\n", text.c_str(), error.what());
    return object;
  }
  const auto& shape = volume.hu.shape();
  const auto& mm = volume.spacing_mm;
  const auto [least, most] = std::minmax_element(volume.hu.i16(), volume.hu.i16() + shape.elements());
  text += format_count(shape.frames) + " slices of " + std::to_string(shape.height) + "x" + std::to_string(shape.width) + ", " + millimetres(mm[0]) + " x " + millimetres(mm[1]) + " x " + millimetres(mm[2]) + " mm, " +
          std::to_string(*least) + " to " + std::to_string(*most) + " HU";
  for (const bool rejected : {true, false})
    if (const auto counts = counts_of(volume.findings, rejected); !counts.empty()) text += std::string("; ") + (rejected ? "left out: " : "noted: ") + counts;
  object.update({{"slices", shape.frames}, {"rows", shape.height}, {"columns", shape.width}, {"spacing_mm", mm}, {"hu", {*least, *most}}, {"findings", json_of(volume.findings)}});
  if (!options.output.empty()) {
    const auto path = fs::path(options.output) / ("series-" + std::to_string(number) + ".png");
    write_png(path.string(), contact_sheet(volume, {.level = options.level, .width = options.width}));
    object["picture"] = path.string();
    text += "; " + path.string();
  }
  std::printf("%s\n", text.c_str());
  return object;
}

}  // namespace

void look_at_series(const LookOptions& options) {
  if (!dicom_supported()) throw ConfigError("This program was built without DICOM: install libdcmtk-dev and build it again (LIERE_DICOM).");
  const auto entries = files_below(options.from);
  std::vector<VolumeFinding> refused;
  const auto series = series_of(entries, refused);
  if (!options.output.empty()) fs::create_directories(options.output);
  Json report = {{"files", entries.size()}, {"left_out", json_of(refused)}, {"series", Json::array()}};
  int64_t usable = 0;
  for (const auto& [key, files] : series) {
    stop_if_asked();
    report["series"].push_back(look_at(static_cast<int64_t>(report["series"].size()) + 1, files, options));
    usable += report["series"].back().contains("slices");
  }
  if (!refused.empty()) std::printf("left out: %s of %s files (%s)\n", format_count(static_cast<int64_t>(refused.size())).c_str(), format_count(static_cast<int64_t>(entries.size())).c_str(), counts_of(refused, true).c_str());
  if (!options.json.empty()) write_file_atomically(options.json, report.dump(2, ' ', false, Json::error_handler_t::replace) + "\n");
  if (usable == 0)
    throw DataError(options.from + ": expected at least one series of CT slices, found none among " + format_count(static_cast<int64_t>(entries.size())) + " files" +
                    (refused.empty() ? "." : "; the first that was left out: " + refused.front().where + ": " + refused.front().sentence));
}

}  // namespace liere
