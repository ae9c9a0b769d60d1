// UCF101's official lists, or lists of other videos in the same form: classInd.txt ("1 ApplyEyeMakeup"), trainlist0K.txt ("Class/video.avi 1") and
// testlist0K.txt
// ("Class/video.avi"; a label may follow). LF or CRLF, with or without a byte order mark; blank lines are passed over. All errors are DataErrors that
// name file and line.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace liere {

/// Class of each number that classInd.txt gives (1-based; gaps are allowed, so that lists may be cut to fewer classes). Throws for an empty list, a
/// number or name that is there twice, a name that is no name of a folder.
std::map<int64_t, std::string> parse_class_numbers(std::string_view text, const std::string& path);

struct ListedVideo {
  std::string folder, file;  // as the list has them: "HandstandPushups", "v_HandStandPushups_g01_c01.avi"
  int64_t class_number = 0;
  int64_t line = 0;
};

/// Throws for a path that is not CLASS/FILE or leaves the root, a class that classInd.txt does not have, a label that is no number, out of range or
/// not that of the class, a missing label where `labels_required`, a video that is there twice, an empty list.
std::vector<ListedVideo> parse_video_list(std::string_view text, const std::map<int64_t, std::string>& classes, bool labels_required,
                                          const std::string& path);

/// The group that a name of the official form v_CLASS_gNN_cNN.avi states - videos of a group show the same people and place; -1 for other names.
int64_t group_of(std::string_view file);

/// Throws when a video, or a group of a class, is in both lists: a model is not to be tested on scenes that it was trained on.
void refuse_overlap(const std::vector<ListedVideo>& train, const std::vector<ListedVideo>& test, const std::string& train_path,
                    const std::string& test_path);

}  // namespace liere
