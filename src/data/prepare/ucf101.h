// Makes UCF101 usable: unpacks UCF101.rar and the lists, decodes every listed video once - which counts its frames and finds those that are damaged -
// and, if asked to, keeps the decoded frames.
#pragma once

#include <string>

namespace liere {

struct PrepareUcf101Options {
  std::string from;   // UCF101.rar (any archive), a folder with it, or a folder with the unpacked videos
  std::string root;   // the data set's; empty: the folder of the archive, or that of the videos
  std::string lists;  // UCF101TrainTestSplits-RecognitionTask.zip or a folder with the lists; empty: beside the archive, or in root
  std::string cache;  // for decoded frames; empty: none are kept
};

/// Prints what it did. What was done by an earlier call is not done again: files of the right size stay, and videos that have not changed since they
/// were counted are not decoded. Throws DataError: archive, lists or videos are missing or contradict each other, the disk is too small, or (at the
/// end, all others being done) videos cannot be decoded; ConfigError in a build without video or, for archives, libarchive; Error(kStoppedEarly)
/// after a stop signal.
void prepare_ucf101(const PrepareUcf101Options& options);

}  // namespace liere
