// A CT volume for people to look at: is the head upright, is left where left is, is the window right. Axial slices evenly spread, one coronal and one
// sagittal reformat in the aspect of millimetres, each side marked with the patient's direction it points to (R L A P H F), a scale bar, positions.
#pragma once

#include <string>

#include "data/volumes/ct_volume.h"

namespace liere {

struct ContactSheetOptions {
  double level = 40, width = 80;  // of the window, HU; the default is the brain's
  int64_t slices = 16;            // axial pictures, at most
};

/// The letter of the direction in the patient (+x left, +y back, +z head) that is nearest to (x, y, z): L R P A H F.
char direction_letter(double x, double y, double z);

/// RGB [1, H, W, 3]. Throws DataError when the volume is empty or its spacing is not positive.
Frames contact_sheet(const CtVolume& volume, const ContactSheetOptions& options = {});

}  // namespace liere
