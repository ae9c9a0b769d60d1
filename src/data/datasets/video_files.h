// Where the listed videos of UCF101 are on disk. Copies differ in the folder that holds the classes and in how names are spelled: the lists say
// HandstandPushups where the files say HandStandPushups.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "data/datasets/video_lists.h"

namespace liere {

struct VideoLists {
  std::map<int64_t, std::string> classes;
  std::vector<ListedVideo> train, test;
};

/// `lists` if it is not empty, else ucfTrainTestlist/, annotations/ or ucf101_lists/ in `root`, whichever has classInd.txt. Throws DataError when
/// there is none.
std::filesystem::path find_lists(const std::filesystem::path& root, const std::filesystem::path& lists);
/// Both lists of split 1, 2 or 3, checked against each other; every class must have a video in one of them.
VideoLists read_video_lists(const std::filesystem::path& folder, int64_t split);

/// The path of each listed video below `root`: in UCF-101/, videos/, data/ or root itself, whichever has a folder of a class first; names as listed,
/// else the one name that differs only in capitals. Throws DataError naming `title`: no such folder, videos that are missing (up to five by name), a
/// name that fits two files.
std::vector<std::string> find_videos(const std::filesystem::path& root, const std::vector<ListedVideo>& listed, const std::string& title);

}  // namespace liere
