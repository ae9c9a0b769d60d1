// Decodes every sample of a data set whose samples are encoded files: what a training run would stumble over days later is found now. In parallel, with progress;
// a stop signal leaves a state file with which the next call goes on.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "data/dataset.h"

namespace liere {

struct BadPicture {
  int64_t index = 0;
  std::string reason;  // the error's sentence, which names the picture
};

/// All samples that cannot be read or decoded, in order. `state`: what an earlier call that was stopped had done, if it was of the same data set (by its description). The
/// file says at the end that all is done, so that a stop in the other split costs nothing; the caller removes it when it has reported. `workers` threads. Throws Error(kStoppedEarly) after a stop signal, with the state written.
std::vector<BadPicture> check_pictures(const Dataset& dataset, const std::filesystem::path& state, int64_t workers);

/// Where the state of a check is kept: beside the report (`json`), else in the user's cache folder.
std::filesystem::path check_state_path(const std::string& json, const std::string& description);

}  // namespace liere
