// How many frames each video has, found once by decoding (liere-data prepare ucf101), so that training need not decode a video to its end to know. A
// text file:
//   liere-video-index 1
//   decoder <TAB> what counted (video_decoder_version())
//   video <TAB> frames <TAB> height <TAB> width <TAB> bytes <TAB> modified, nanoseconds since 1970 <TAB> path below the root
//   digest <TAB> XXH64 of all that stands before this line
// An entry counts while the video has that size and time and the decoder is the same; otherwise the video is decoded as if there were no entry.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "data/decode/video.h"

namespace liere {

constexpr std::string_view kVideoIndexName = "ucf101-frames.index";

/// A file's size and time: what says that it is still the same.
struct FileState {
  uint64_t bytes = 0;
  int64_t modified_ns = 0;
  bool operator==(const FileState&) const = default;
};
/// Throws DataError with errno's text.
FileState file_state(const std::filesystem::path& path);

struct VideoIndex {
  struct Entry {
    VideoShape shape;
    FileState file;
  };
  std::string decoder;
  std::map<std::string, Entry, std::less<>> videos;  // by path below the root

  /// The video's shape, if the file is still as it was.
  std::optional<VideoShape> find(std::string_view path, const FileState& file) const;
};

std::string format_video_index(const VideoIndex& index);
/// Throws DataError naming file and line: another version, a wrong digest, numbers out of range, a path that leaves the root, a video that is there
/// twice.
VideoIndex parse_video_index(std::string_view text, const std::string& path);

/// The index in the first of `folders` that has one, empty when none has or when another decoder counted (with a warning).
VideoIndex read_video_index(const std::vector<std::filesystem::path>& folders);

}  // namespace liere
