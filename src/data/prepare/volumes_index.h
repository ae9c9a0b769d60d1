// Which files make up which series: the headers of all files, read in parallel, grouped by SeriesInstanceUID. What an earlier call had read comes
// from the journal.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "data/prepare/volume_journal.h"
#include "data/prepare/volume_source.h"
#include "data/volumes/labels.h"

namespace liere {

struct IndexedSeries {
  std::string id;             // salted hash of SeriesInstanceUID
  std::string files_hash;     // PreparedSeries::files
  std::vector<size_t> files;  // of the source, in its order
};

struct VolumeIndex {
  std::vector<IndexedSeries> series;    // sorted by id
  std::vector<VolumeFinding> left_out;  // files, in the source's order
};

/// `images`: a table with the key kImage, whose missing images are left out ("unlabelled_image"); null: every slice is taken. Throws
/// Error(kStoppedEarly) after a stop signal; what was read by then is in the journal.
VolumeIndex index_series(const VolumeSource& source, const LabelTable* images, const Salt& salt, int64_t workers, VolumeJournal& journal);

}  // namespace liere
