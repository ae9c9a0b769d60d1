// The classes that a model was trained on, against those of the data that it meets: its outputs are places in the list of the former.
#pragma once

#include <string>
#include <vector>

#include "data/dataset.h"

namespace liere {

/// Throws DataError with the first difference and the remedy when the lists differ in length, names or order. `trained`: of `checkpoint`; `found`: of the data set.
void require_same_classes(const std::vector<std::string>& trained, const std::string& checkpoint, const std::vector<std::string>& found, const std::string& dataset);

/// The same; the data set is described (which may read all of it) only when there is a difference.
inline void require_same_classes(const std::vector<std::string>& trained, const std::string& checkpoint, const Dataset& dataset) {
  if (trained != dataset.class_names()) require_same_classes(trained, checkpoint, dataset.class_names(), dataset.describe());
}

}  // namespace liere
