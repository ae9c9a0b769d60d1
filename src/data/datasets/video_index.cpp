#include "data/datasets/video_index.h"

#include <sys/stat.h>

#include <cerrno>
#include <charconv>
#include <cstring>

#include "core/check.h"
#include "core/files.h"
#include "core/log.h"
#include "data/datasets/picture_index.h"
#include "data/decode/video_stream.h"

namespace liere {
namespace {

constexpr std::string_view kVersion = "liere-video-index 1\n";
constexpr const char* kRemedy = "; remove it, or run liere-data prepare ucf101 again.";

std::string_view take(std::string_view& text, char separator) {
  const size_t end = std::min(text.find(separator), text.size());
  const auto part = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  return part;
}

}  // namespace

FileState file_state(const std::filesystem::path& path) {
  struct stat status = {};
  if (::stat(path.c_str(), &status) != 0) throw DataError("cannot read " + path.string() + ": " + std::strerror(errno) + ".");
  if (!S_ISREG(status.st_mode)) throw DataError(path.string() + " is no file, expected a video.");
  return {static_cast<uint64_t>(status.st_size), int64_t(status.st_mtim.tv_sec) * 1000000000 + status.st_mtim.tv_nsec};
}

std::optional<VideoShape> VideoIndex::find(std::string_view path, const FileState& file) const {
  const auto entry = videos.find(path);
  if (entry == videos.end() || entry->second.file != file) return std::nullopt;
  return entry->second.shape;
}

std::string format_video_index(const VideoIndex& index) {
  std::string text = std::string(kVersion) + "decoder\t" + index.decoder + "\n";
  for (const auto& [path, entry] : index.videos) {
    text += "video";
    for (const int64_t value : {entry.shape.frames, entry.shape.height, entry.shape.width, static_cast<int64_t>(entry.file.bytes), entry.file.modified_ns})
      text.append(1, '\t').append(std::to_string(value));
    text.append(1, '\t').append(path).append(1, '\n');
  }
  return sign_picture_index(std::move(text));
}

VideoIndex parse_video_index(std::string_view text, const std::string& path) {
  if (!text.starts_with(kVersion)) throw DataError(path + " is no index of videos of this version" + kRemedy);
  const size_t digest = text.rfind("digest\t");
  if (digest == std::string_view::npos || sign_picture_index(std::string(text.substr(0, digest))) != text)
    throw DataError(path + " is damaged: its content does not have the digest at its end" + kRemedy);
  auto rest = text.substr(0, digest);
  take(rest, '\n');
  VideoIndex index;
  for (int64_t number = 2; !rest.empty(); ++number) {
    const auto fail = [&](const std::string& what) { return DataError(path + ", line " + std::to_string(number) + ": " + what + kRemedy); };
    auto line = take(rest, '\n');
    const auto key = take(line, '\t');
    if (number == 2) {
      if (key != "decoder" || line.empty()) throw fail("expected the decoder");
      index.decoder = line;
      continue;
    }
    if (key != "video") throw fail("expected a video");
    const auto integer = [&](int64_t low, int64_t high) {
      const auto field = take(line, '\t');
      int64_t value = 0;
      const auto [end, error] = std::from_chars(field.data(), field.data() + field.size(), value);
      if (error != std::errc() || end != field.data() + field.size() || field.empty() || value < low || value > high)
        throw fail("expected a number from " + std::to_string(low) + " to " + std::to_string(high));
      return value;
    };
    VideoIndex::Entry entry;
    entry.shape.frames = integer(1, VideoLimits().max_frames);
    entry.shape.height = integer(1, VideoLimits().max_pixels);
    entry.shape.width = integer(1, VideoLimits().max_pixels / entry.shape.height);
    entry.file.bytes = static_cast<uint64_t>(integer(1, int64_t(1) << 40));
    entry.file.modified_ns = integer(INT64_MIN, INT64_MAX);
    if (!stays_below(line)) throw fail("expected a path below the root");
    if (!index.videos.emplace(line, entry).second) throw fail(std::string(line) + " is there twice");
  }
  if (index.decoder.empty()) throw DataError(path + " names no decoder" + kRemedy);
  return index;
}

VideoIndex read_video_index(const std::vector<std::filesystem::path>& folders) {
  const std::string decoder = video_decoder_version();
  for (const auto& folder : folders) {
    std::error_code ignored;
    const auto path = folder / kVideoIndexName;
    if (folder.empty() || !std::filesystem::exists(path, ignored)) continue;
    VideoIndex index = parse_video_index(read_file(path, uint64_t(1) << 30), path.string());
    if (index.decoder == decoder) return index;
    log_warning(path.string() + " was made with " + index.decoder + ", this program has " + decoder +
                ": it is not used, frames are counted anew. Run liere-data prepare ucf101 again.");
  }
  return {decoder, {}};
}

}  // namespace liere
