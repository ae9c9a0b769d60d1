// The one place that turns a data set's configuration into the data set.
#pragma once

#include <memory>

#include "data/config.h"
#include "data/dataset.h"

namespace liere {

/// Whether the data have a part for validation of their own (Split::kValidation).
bool has_validation(const DatasetConfig& config);
/// Opens a split. Throws DataError when the data are absent or damaged, ConfigError when keys contradict each other.
std::unique_ptr<Dataset> make_dataset(const DatasetConfig& config, Split split);

}  // namespace liere
