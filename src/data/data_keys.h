// The keys of an experiment's configuration that its data depend on, for commands that look at data without building a model. Other keys are not
// looked at.
#pragma once

#include "core/config.h"
#include "data/config.h"

namespace liere {

struct DataKeys {
  DataConfig data;
  AugmentConfig augment;
  uint64_t seed = 0;
  std::vector<int64_t> input_size = {32, 32};  // model.input_size: [rows, columns], or [frames, rows, columns] of clips and volumes
};

/// Strict within `data` and `augment`. Throws ConfigError also when there is no key `data` or model.input_size has not one to three axes.
DataKeys read_data_keys(const ConfigNode& root);

}  // namespace liere
