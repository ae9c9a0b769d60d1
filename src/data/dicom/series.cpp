#include "data/dicom/series.h"

#include "core/check.h"

namespace liere {
bool dicom_supported() { return false; }
bool read_dicom_header(const DicomEntry&, DicomHeader&, VolumeFinding&) { throw ConfigError("dicom"); }
CtVolume read_series(const std::vector<DicomEntry>&, const SeriesOptions&) { throw ConfigError("dicom"); }
}  // namespace liere
