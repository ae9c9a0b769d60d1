// DICOM in this process: whatever the bytes, a slice whose pixels lie in the file and fill its rows and columns, or a rejection whose code is in the
// table.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>

#include "data/dicom/rejection.h"
#include "data/dicom/slice.h"

namespace {

void require(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "fuzz: a DICOM file breaks a rule: %s\n", what);
  std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace liere;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  // As the beginning of a longer file: nothing, a header whose pixels begin within it, or a rejection.
  for (const uint64_t more : {uint64_t(1), uint64_t(100'000)}) {
    try {
      const auto head = read_dicom_slice_head(bytes, size + more);
      require(!head || head->layout.pixel_offset <= size, "the pixels of a head begin behind it");
    } catch (const DicomRejection&) {
    }
  }
  try {
    const auto slice = read_dicom_slice(bytes);
    require(slice.layout.pixel_offset <= size && slice.layout.pixel_length <= size - slice.layout.pixel_offset, "its pixels lie outside the file");
    if (!slice.layout.encapsulated)
      require(slice.layout.pixel_length == static_cast<size_t>(2 * slice.header.rows * slice.header.columns),
              "its pixels do not fill rows and columns");
    require(std::isfinite(slice.slope) && slice.slope > 0 && std::isfinite(slice.intercept), "its rescaling is not finite");
    for (const double x : slice.position) require(std::isfinite(x), "its position is not finite");
    require(!slice.header.patient.empty() && !slice.header.series.empty(), "it belongs to nobody");
    for (const int16_t unit : hounsfield_table(slice)) require(unit >= -1024 && unit <= 3071, "a Hounsfield unit outside the range");
  } catch (const DicomRejection& rejection) {
    require(std::any_of(kDicomCodes.begin(), kDicomCodes.end(), [&](const auto& known) { return known.code == rejection.code; }),
            "its code is not in the table");
  }
  return 0;
}
