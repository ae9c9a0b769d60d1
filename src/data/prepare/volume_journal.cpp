#include "data/prepare/volume_journal.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>
#include <xxhash.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <nlohmann/json.hpp>

#include "core/check.h"
#include "core/files.h"

namespace liere {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

constexpr size_t kHashDigits = 16, kPendingBytes = 1 << 16;

Json json_of(const PreparedSeries& series) {
  const VolumeEntry& entry = series.entry;
  Json findings = Json::array();
  for (const auto& [finding, count] : series.findings) findings.push_back({finding.code, finding.where, finding.sentence, finding.rejected, count});
  return {{"id", entry.id},
          {"files", series.files},
          {"used", series.used},
          {"patient", entry.patient},
          {"study", series.study},
          {"labels", entry.labels},
          {"slices", entry.slices},
          {"spacing", entry.spacing_mm},
          {"file", entry.file},
          {"digest", entry.digest},
          {"bytes", series.cached_bytes},
          {"positive", series.positive_slices},
          {"orientation", series.orientation},
          {"findings", findings}};
}

PreparedSeries series_of_json(const Json& json) {
  PreparedSeries series;
  VolumeEntry& entry = series.entry;
  json.at("id").get_to(entry.id), json.at("files").get_to(series.files), json.at("used").get_to(series.used);
  json.at("patient").get_to(entry.patient), json.at("study").get_to(series.study), json.at("labels").get_to(entry.labels);
  json.at("slices").get_to(entry.slices), json.at("spacing").get_to(entry.spacing_mm), json.at("file").get_to(entry.file);
  json.at("digest").get_to(entry.digest), json.at("bytes").get_to(series.cached_bytes), json.at("positive").get_to(series.positive_slices);
  json.at("orientation").get_to(series.orientation);
  for (const auto& one : json.at("findings")) series.findings.push_back({{one.at(0), one.at(1), one.at(2), one.at(3)}, one.at(4)});
  return series;
}

[[noreturn]] void refuse(const fs::path& root, const char* what, const std::string& there, const std::string& here, const char* remedy) {
  throw ConfigError(root.string() + " was prepared with other " + what + " (there " + there + ", now " + here + "): " + remedy + ".");
}

void compare(const fs::path& root, const PrepareSettings& there, const PrepareSettings& here) {
  if (there.cache != here.cache) refuse(root, "settings of the cache", there.cache, here.cache, "give the same ones, or another --root");
  if (there.labels != here.labels) refuse(root, "labels", there.labels, here.labels, "give the same table, or another --root");
  std::error_code ignored;
  if (there.split != here.split && fs::exists(root / "manifest.json", ignored))
    refuse(root, "shares of the split", there.split, here.split,
           "give the same ones, or remove manifest.json there to split again (cached volumes stay), or give another --root");
}

}  // namespace

std::string hash_of_text(std::string_view text) {
  char digits[kHashDigits + 1];
  std::snprintf(digits, sizeof digits, "%016llx", static_cast<unsigned long long>(XXH3_64bits(text.data(), text.size())));
  return digits;
}

VolumeJournal::VolumeJournal(const fs::path& root, const PrepareSettings& settings) : path_(root / "prepare.journal") {
  file_ = ::open(path_.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (file_ < 0)
    throw Error(ExitCode::kFailure, "cannot write " + path_.string() + ": " + std::strerror(errno) + "; name another folder with --root.");
  try {
    if (::flock(file_, LOCK_EX | LOCK_NB) != 0)
      throw ConfigError(root.string() + " is being prepared by another process: wait for its end, or give another --root.");
    read(root, settings);
  } catch (...) {
    ::close(file_);
    throw;
  }
}

VolumeJournal::~VolumeJournal() {
  try {
    flush();
  } catch (const Error&) {  // what is lost is done again
  }
  ::close(file_);
}

void VolumeJournal::read(const fs::path& root, const PrepareSettings& settings) {
  const std::string text = read_file(path_);
  const std::string_view view = text;
  PrepareSettings there = settings;
  bool headed = false;
  size_t at = 0;
  for (size_t end; (end = view.find('\n', at)) != std::string_view::npos; at = end + 1) {
    const auto line = view.substr(at, end - at);
    if (line.size() < kHashDigits + 3 || line.substr(0, kHashDigits) != hash_of_text(line.substr(kHashDigits))) break;
    const char kind = line[kHashDigits];
    const auto rest = line.substr(kHashDigits + 2);
    if (kind == 'F') {
      files_.emplace(rest.substr(0, kHashDigits), rest.substr(std::min(rest.size(), kHashDigits + 1)));
    } else if (kind == 'S') {
      auto series = series_of_json(Json::parse(rest));
      series_[series.entry.id] = std::move(series);
    } else {
      const auto header = Json::parse(rest);
      there = {header.at("cache"), header.at("labels"), header.at("split")};
      headed = true;
    }
  }
  if (headed) compare(root, there, settings);
  if (::ftruncate(file_, static_cast<off_t>(at)) != 0)
    throw Error(ExitCode::kFailure, "cannot write " + path_.string() + ": " + std::strerror(errno) + ".");
  if (headed && there.split == settings.split) return;
  add_line("H " + Json{{"cache", settings.cache}, {"labels", settings.labels}, {"split", settings.split}}.dump());
  flush();
}

const std::string* VolumeJournal::series_of(const std::string& file_state) const {
  const auto found = files_.find(file_state);
  return found == files_.end() ? nullptr : &found->second;
}

const PreparedSeries* VolumeJournal::series(const std::string& id) const {
  const auto found = series_.find(id);
  return found == series_.end() ? nullptr : &found->second;
}

void VolumeJournal::add_file(const std::string& file_state, const std::string& series) {
  files_[file_state] = series;
  add_line("F " + file_state + " " + series);
}

void VolumeJournal::add_series(const PreparedSeries& series) {
  series_[series.entry.id] = series;
  add_line("S " + json_of(series).dump(-1, ' ', false, Json::error_handler_t::replace));
  flush();
}

void VolumeJournal::add_line(const std::string& rest) {
  pending_ += hash_of_text(rest) + rest + "\n";
  if (pending_.size() > kPendingBytes) flush();
}

void VolumeJournal::flush() {
  for (size_t done = 0; done < pending_.size();) {
    const ssize_t put = ::write(file_, pending_.data() + done, pending_.size() - done);
    if (put < 0 && errno == EINTR) continue;
    if (put <= 0) {
      const int error = errno;
      pending_.erase(0, done);
      throw Error(ExitCode::kFailure, "cannot write " + path_.string() + ": " + std::strerror(error) +
                                          ". Free some space and run the same command again; what is done is kept.");
    }
    done += static_cast<size_t>(put);
  }
  pending_.clear();
}

}  // namespace liere
