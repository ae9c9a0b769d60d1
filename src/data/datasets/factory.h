// The one place that turns a data set's configuration into the data set.
#pragma once

#include <memory>

#include "data/config.h"
#include "data/dataset.h"

namespace liere {

/// Opens a split. Throws DataError when the data are absent or damaged, ConfigError when keys contradict each other.
std::unique_ptr<Dataset> make_dataset(const DatasetConfig& config, Split split);

}  // namespace liere
