// Decoded videos on disk (data.cache): the planes as the codec left them, so that nothing is lost and half of RGB's bytes are stored. One file for
// each video, CACHE/<path of the video below the root>.frames:
//   header (256 bytes: the source's size and time, decoder, form of the pictures, frame count, place and XXH3 of what follows)
//   frames, one after the other, planes without padding            XXH3 of each frame
// Only the frames that are asked for are read, each compared with its hash. Written beside its place and renamed.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "data/datasets/video_index.h"
#include "data/decode/video.h"
#include "data/decode/video_stream.h"

namespace liere {

std::filesystem::path cached_frames_path(const std::filesystem::path& cache, const std::string& video);

class CachedFrames {
 public:
  /// Null when there is no such file, or when it is of another state of the video or another decoder: those frames are not used. Throws DataError
  /// when it is damaged.
  static std::unique_ptr<CachedFrames> open(const std::filesystem::path& path, const FileState& source);
  ~CachedFrames();

  VideoShape shape() const;
  /// As VideoDecoder::frames, bit for bit; thread-safe. Throws DataError when a frame does not have its hash.
  Frames frames(const std::vector<int64_t>& indices) const;

 private:
  CachedFrames();
  struct State;
  std::unique_ptr<State> state_;
};

/// Takes pictures in order; the file is there after finish(), and nothing is left without it. Throws Error(kFailure) naming the file when it cannot
/// be written, DataError for pictures that are not planar 8-bit.
class FrameCacheWriter {
 public:
  FrameCacheWriter(const std::filesystem::path& path, const FileState& source);
  ~FrameCacheWriter();
  void add(const Picture& picture);
  void finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace liere
