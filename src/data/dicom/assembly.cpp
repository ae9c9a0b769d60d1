#include "data/dicom/assembly.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <functional>
#include <map>
#include <tuple>

#include "core/check.h"

namespace liere {
namespace {

constexpr double kSamePosition = 1e-3;   // mm along the normal
constexpr double kSameDirection = 1e-3;  // of a direction cosine
constexpr double kGap = 1.5;             // times the median distance
constexpr double kTiltDegrees = 0.5;

using Vector = std::array<double, 3>;

Vector normal_of(const std::array<double, 6>& o) { return {o[1] * o[5] - o[2] * o[4], o[2] * o[3] - o[0] * o[5], o[0] * o[4] - o[1] * o[3]}; }
double dot(const Vector& a, const Vector& b) { return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]; }

std::string number(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.3g", value);
  return text;
}

bool same_orientation(const std::array<double, 6>& a, const std::array<double, 6>& b) {
  for (int i = 0; i < 6; ++i)
    if (std::abs(a[i] - b[i]) > kSameDirection) return false;
  return true;
}

class Assembly {
 public:
  Assembly(std::vector<SeriesFile>& files, CtVolume& volume) : files_(files), volume_(volume) {}

  void run(int64_t min_slices) {
    // An order of the files' own, whatever order they came in.
    std::sort(files_.begin(), files_.end(),
              [](const auto& a, const auto& b) { return std::tie(a.slice.header.instance, a.name) < std::tie(b.slice.header.instance, b.name); });
    drop_duplicate_instances();
    require_slices(min_slices);
    require_one_series();
    drop_other_orientations();
    require_one_size();
    sort_along_normal();
    drop_duplicate_positions();
    require_slices(min_slices);
    describe();
  }

 private:
  void drop(const SeriesFile& file, const char* code, const std::string& sentence) { volume_.findings.push_back({code, file.name, sentence, true}); }
  void note(const char* code, const std::string& where, const std::string& sentence) { volume_.findings.push_back({code, where, sentence, false}); }
  std::string series_name() const { return "series of " + files_.front().name; }

  void require_slices(int64_t min_slices) const {
    if (static_cast<int64_t>(files_.size()) >= std::max<int64_t>(min_slices, 1)) return;
    std::map<std::string, int> counts;
    for (const auto& finding : volume_.findings) counts[finding.code] += finding.rejected;
    std::string reasons;
    for (const auto& [code, count] : counts)
      if (count) reasons += (reasons.empty() ? " (left out: " : ", ") + std::to_string(count) + " " + code;
    throw DataError("too_few_slices: a volume needs at least " + std::to_string(std::max<int64_t>(min_slices, 1)) + " slices; " +
                    std::to_string(files_.size()) + " can be used" + (reasons.empty() ? "" : reasons + ")") + ".");
  }

  void require_one_series() const {
    const auto& first = files_.front().slice.header;
    for (const auto& file : files_) {
      const auto& header = file.slice.header;
      if (header.series != first.series || header.study != first.study || header.patient != first.patient)
        throw DataError("mixed_series: the files of one series were expected; " + files_.front().name + " and " + file.name +
                        " differ in series, study or patient.");
    }
  }

  /// The file appears once: of several with one SOPInstanceUID the first by name stays.
  void drop_duplicate_instances() {
    std::vector<SeriesFile> kept;
    for (auto& file : files_) {
      if (!kept.empty() && kept.back().slice.header.instance == file.slice.header.instance)
        drop(file, "duplicate_instance", "The SOPInstanceUID is that of " + kept.back().name + ", which is kept.");
      else
        kept.push_back(std::move(file));
    }
    files_ = std::move(kept);
  }

  /// The orientation that most slices have (at a tie: that of the first by SOPInstanceUID); a tenth of the slices, and at least one, may have another
  /// and are left out.
  void drop_other_orientations() {
    size_t best = 0;
    std::ptrdiff_t most = 0;
    for (size_t i = 0; i < files_.size(); ++i) {
      const auto agree = std::count_if(files_.begin(), files_.end(),
                                       [&](const auto& file) { return same_orientation(file.slice.orientation, files_[i].slice.orientation); });
      if (agree > most) most = agree, best = i;
    }
    const auto others = static_cast<std::ptrdiff_t>(files_.size()) - most;
    if (others == 0) return;
    if (others > std::max<std::ptrdiff_t>(1, static_cast<std::ptrdiff_t>(files_.size()) / 10))
      throw DataError("mixed_orientations: the slices of a volume are parallel; " + std::to_string(others) + " of " + std::to_string(files_.size()) +
                      " are not parallel to the others.");
    const auto orientation = files_[best].slice.orientation;
    std::vector<SeriesFile> kept;
    for (auto& file : files_) {
      if (same_orientation(file.slice.orientation, orientation))
        kept.push_back(std::move(file));
      else
        drop(file, "other_orientation", "The slice is not parallel to the " + std::to_string(most) + " others: a localiser or another series.");
    }
    files_ = std::move(kept);
  }

  void require_one_size() const {
    const auto& first = files_.front();
    for (const auto& file : files_)
      if (file.slice.header.rows != first.slice.header.rows || file.slice.header.columns != first.slice.header.columns)
        throw DataError("mixed_sizes: the slices of a volume have one size; " + first.name + " has " + size_text(first) + ", " + file.name + " has " +
                        size_text(file) + ".");
  }
  static std::string size_text(const SeriesFile& file) {
    return std::to_string(file.slice.header.rows) + " x " + std::to_string(file.slice.header.columns);
  }

  double place(const SeriesFile& file) const { return dot(normal_of(volume_.orientation), file.slice.position); }

  void sort_along_normal() {
    volume_.orientation = files_.front().slice.orientation;
    std::sort(files_.begin(), files_.end(), [&](const auto& a, const auto& b) {
      return std::make_tuple(place(a), a.slice.instance_number, std::cref(a.slice.header.instance)) <
             std::make_tuple(place(b), b.slice.instance_number, std::cref(b.slice.header.instance));
    });
  }

  /// Of slices at one place that with the lowest InstanceNumber, then SOPInstanceUID, stays.
  void drop_duplicate_positions() {
    std::vector<SeriesFile> kept;
    const auto rank = [](const SeriesFile& file) { return std::make_tuple(file.slice.instance_number, std::cref(file.slice.header.instance)); };
    for (auto& file : files_) {
      if (kept.empty() || place(file) - place(kept.back()) > kSamePosition) {
        kept.push_back(std::move(file));
        continue;
      }
      if (rank(file) < rank(kept.back())) std::swap(file, kept.back());
      drop(file, "duplicate_position", "The slice lies where " + kept.back().name + " lies, which is kept.");
    }
    files_ = std::move(kept);
  }

  void describe() {
    const auto& first = files_.front().slice;
    volume_.patient = first.header.patient;
    volume_.study = first.header.study;
    volume_.series = first.header.series;
    for (const auto& file : files_) volume_.slice_names.push_back(file.slice.header.instance);
    describe_pixel_spacing();
    describe_distances();
  }

  void describe_pixel_spacing() {
    const auto& spacing = files_.front().slice.spacing_mm;
    const bool mixed = std::any_of(files_.begin(), files_.end(), [&](const auto& file) {
      const auto& other = file.slice.spacing_mm;
      return other.has_value() != spacing.has_value() ||
             (spacing && (std::abs((*other)[0] - (*spacing)[0]) > 1e-3 || std::abs((*other)[1] - (*spacing)[1]) > 1e-3));
    });
    if (mixed) note("pixel_spacing_mixed", series_name(), "PixelSpacing differs between slices: that of the lowest slice is taken.");
    if (!spacing) note("pixel_spacing_missing", series_name(), "PixelSpacing is missing or not positive: 1 mm is taken.");
    const auto value = spacing.value_or(std::array<double, 2>{1, 1});
    volume_.spacing_mm[1] = value[0];
    volume_.spacing_mm[2] = value[1];
    if (std::abs(value[0] - value[1]) > 1e-3 * value[0])
      note("pixel_spacing_not_square", series_name(), "A pixel is " + number(value[0]) + " mm high and " + number(value[1]) + " mm wide.");
  }

  void describe_distances() {
    if (files_.size() < 2) {
      volume_.spacing_mm[0] = files_.front().slice.thickness_mm.value_or(1);
      return note("spacing_unknown", series_name(), "One slice has no distance to the next: SliceThickness, else 1 mm, is taken.");
    }
    std::vector<double> distances;
    for (size_t i = 1; i < files_.size(); ++i) distances.push_back(place(files_[i]) - place(files_[i - 1]));
    auto sorted = distances;
    std::sort(sorted.begin(), sorted.end());
    const auto median = (sorted[(sorted.size() - 1) / 2] + sorted[sorted.size() / 2]) / 2;
    volume_.spacing_mm[0] = median;
    for (size_t i = 0; i < distances.size(); ++i)
      if (distances[i] > kGap * median)
        note("gap", files_[i + 1].name,
             "The slice lies " + number(distances[i]) + " mm above " + files_[i].name + "; the median distance is " + number(median) + " mm.");
    Vector way;
    for (int i = 0; i < 3; ++i) way[i] = files_.back().slice.position[i] - files_.front().slice.position[i];
    const auto normal = normal_of(volume_.orientation);
    const auto cosine = std::clamp(dot(way, normal) / std::sqrt(dot(way, way) * dot(normal, normal)), -1.0, 1.0);
    const auto degrees = std::acos(cosine) * 180 / M_PI;
    if (degrees > kTiltDegrees)
      note("tilt", series_name(),
           "The slices are stacked " + number(degrees) + " degrees away from their normal (gantry tilt): the grid is sheared and taken as it is.");
  }

  std::vector<SeriesFile>& files_;
  CtVolume& volume_;
};

}  // namespace

void assemble_series(std::vector<SeriesFile>& files, int64_t min_slices, CtVolume& volume) {
  Assembly assembly(files, volume);
  assembly.run(min_slices);
}

}  // namespace liere
