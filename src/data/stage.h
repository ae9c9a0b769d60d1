// Packed data sets (CIFAR's .bin files, ImageNet's archives with their indices) copied once per node to its own disk, as `data.stage` asks: hundreds
// of processes reading one network file system at the start of every epoch are slow for everybody. The copies lie in STAGE/liere-<hash of the root's
// path>/ and stay for the next run. One process copies, under a lock, the others on the node wait for it. A copy counts when its size and time are
// the original's; it is written beside its place, put on the disk and renamed.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "data/config.h"

namespace liere {

struct StageFile {
  std::filesystem::path source;
  std::string name;  // below the staged root; may contain folders
};

/// The folder below `stage` that then holds current copies of `files` of the data set at `root`. Shows progress while it copies. Throws DataError:
/// not enough space (told before anything is copied), a file that cannot be read or written or that changes meanwhile, a stop signal while waiting or
/// copying.
std::filesystem::path stage_files(const std::filesystem::path& root, const std::vector<StageFile>& files, const std::filesystem::path& stage);

/// The data set with its files staged and `root` set to the copies; as it is where data.stage is not set. Throws DataError as above, ConfigError for
/// a data set without packed files (arrows, folders of single pictures, ImageNet without an index of its archives).
DatasetConfig staged_dataset(const DataConfig& config);

}  // namespace liere
