// Prepared CT volumes (data/volumes/manifest.h) as a data set: int16 Hounsfield units [slices, rows, columns, 1], by patient in training, validation
// and test parts.
#pragma once

#include <memory>

#include "data/config.h"
#include "data/dataset.h"

namespace liere {

/// Throws DataError: no manifest, an empty part, training or validation volumes without labels; ConfigError: a fold that is not there.
std::unique_ptr<Dataset> make_volumes(const VolumesConfig& config, Split split);

}  // namespace liere
