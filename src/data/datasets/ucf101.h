// UCF101 (Soomro, Zamir and Shah 2012): 13,320 videos of 101 actions in three official splits; or any videos in folders named after their class that
// are listed in the same form. A sample is a whole video: its source's frames are those that decoding it returns.
#pragma once

#include <memory>

#include "data/config.h"
#include "data/dataset.h"

namespace liere {

/// Throws DataError when lists or videos are missing or contradict each other, ConfigError in a build without video.
std::unique_ptr<Dataset> make_ucf101(const Ucf101Config& config, Split split);

}  // namespace liere
