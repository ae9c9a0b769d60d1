#include "data/prepare/volumes_index.h"

#include <map>
#include <mutex>

#include "core/log.h"
#include "core/parallel.h"
#include "data/prepare/archive_sum.h"

namespace liere {
namespace {

/// The series of a file, or why it has none.
struct Place {
  std::string state, series;
  VolumeFinding finding;
};

bool read_place(const VolumeSource& source, const SourceFile& file, const LabelTable* images, const Salt& salt, Place& place) {
  DicomHeader header;
  const DicomEntry entry = source.entry(file, salt);
  if (!read_dicom_header(entry, header, place.finding)) return false;
  if (images && !images->values.contains(header.instance)) {
    place.finding = {"unlabelled_image", entry.name, "The table of labels has no row for this image: it is left out.", true};
    return false;
  }
  place.series = hashed_identifier(salt, "series", header.series);
  return true;
}

}  // namespace

VolumeIndex index_series(const VolumeSource& source, const LabelTable* images, const Salt& salt, int64_t workers, VolumeJournal& journal) {
  const auto& files = source.files();
  const auto count = static_cast<int64_t>(files.size());
  std::vector<Place> places(files.size());
  ProgressLine progress("headers", count);
  std::mutex mutex;
  int64_t done = 0;
  parallel_for(count, workers, [&](int64_t i) {
    stop_if_asked("while headers were read", "run the same command again to go on");
    const auto at = static_cast<size_t>(i);
    Place& place = places[at];
    place.state = state_of(files[at], salt);
    const std::string* known = nullptr;
    {
      const std::lock_guard lock(mutex);
      known = journal.series_of(place.state);
      if (known) place.series = *known;
    }
    const bool found = !known && read_place(source, files[at], images, salt, place);
    const std::lock_guard lock(mutex);
    if (found) journal.add_file(place.state, place.series);
    progress.update(++done, "files");
  });
  progress.finish();
  journal.flush();

  VolumeIndex index;
  std::map<std::string, IndexedSeries> series;
  std::map<std::string, std::string> states;
  for (size_t i = 0; i < places.size(); ++i) {
    if (places[i].series.empty()) {
      index.left_out.push_back(places[i].finding);
    } else {
      series[places[i].series].files.push_back(i);
      states[places[i].series] += places[i].state;
    }
  }
  for (auto& [id, one] : series) {
    one.id = id, one.files_hash = hash_of_text(states[id]);
    index.series.push_back(std::move(one));
  }
  return index;
}

}  // namespace liere
