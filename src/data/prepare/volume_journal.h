// What liere-data prepare rsna | volumes has done so far, one line each in ROOT/prepare.journal, so that a command that was stopped or killed goes
// on: which series a file belongs to, and what became of a series. Identifiers are salted hashes. Each line begins with an XXH3 of the rest: a line
// that was cut or never reached the disk ends what is believed. The open journal is the root's lock.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <string>
#include <unordered_map>
#include <vector>

#include "data/volumes/ct_volume.h"
#include "data/volumes/manifest.h"

namespace liere {

/// A finding, and how often it was found in its series.
struct CountedFinding {
  VolumeFinding finding;
  int64_t count = 1;
};

/// What became of a series.
struct PreparedSeries {
  std::string files;                    // hash of the states of its files
  bool used = false;                    // else it is left out, and a finding says why
  VolumeEntry entry;                    // of a used one, without split and fold; of another one only `id`
  std::string study;                    // hash of StudyInstanceUID
  int64_t positive_slices = -1;         // by the first label; -1: labels are not of slices
  std::array<double, 6> orientation{};  // ImageOrientationPatient
  uint64_t cached_bytes = 0;            // of the cached file
  std::vector<CountedFinding> findings;
};

/// What decides the result: lines of JSON.
struct PrepareSettings {
  std::string cache, labels, split;
};

class VolumeJournal {
 public:
  /// Opens, locks and reads ROOT/prepare.journal. Throws ConfigError: another process has it open; it is of another cache or other labels; the split
  /// is another one and the root has a manifest.
  VolumeJournal(const std::filesystem::path& root, const PrepareSettings& settings);
  ~VolumeJournal();
  VolumeJournal(const VolumeJournal&) = delete;
  VolumeJournal& operator=(const VolumeJournal&) = delete;

  const std::string* series_of(const std::string& file_state) const;  // null: not known
  const PreparedSeries* series(const std::string& id) const;          // null: not known
  /// Not for several threads at once.
  void add_file(const std::string& file_state, const std::string& series);
  void add_series(const PreparedSeries& series);
  /// Hands what was added to the system. Throws Error(kFailure).
  void flush();

 private:
  void add_line(const std::string& rest);
  void read(const std::filesystem::path& root, const PrepareSettings& settings);

  std::filesystem::path path_;
  int file_ = -1;
  std::string pending_;
  std::unordered_map<std::string, std::string> files_;
  std::unordered_map<std::string, PreparedSeries> series_;
};

/// 16 hexadecimal digits of XXH3.
std::string hash_of_text(std::string_view text);

}  // namespace liere
