#include "data/datasets/frame_cache.h"

#include "core/check.h"

namespace liere {

std::filesystem::path cached_frames_path(const std::filesystem::path& cache, const std::string& video) { return cache / (video + ".frames"); }

}  // namespace liere

#ifdef LIERE_VIDEO
extern "C" {
#include <libavutil/frame.h>
#include <libavutil/imgutils.h>
#include <libavutil/pixdesc.h>
}
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include <cerrno>
#include <cstring>
#include <mutex>

#include "data/decode/video_rgb.h"

namespace liere {
namespace {

namespace fs = std::filesystem;

struct Header {
  char magic[16];
  uint64_t source_bytes;
  int64_t source_modified_ns;
  char decoder[64];
  char pixel_format[32];
  int32_t width, height, color_range, colorspace;
  uint64_t frames, frame_bytes, hashes_hash;  // of the table behind the frames
  char unused[80];
  uint64_t hash;  // of all before it
};
static_assert(sizeof(Header) == 256 && std::is_trivially_copyable_v<Header>);
constexpr char kMagic[16] = "liere-frames 1\n";
constexpr const char* kRemedy = "; remove it and run liere-data prepare ucf101 --cache again";

uint64_t hash_of(const Header& header) { return XXH3_64bits(&header, offsetof(Header, hash)); }

/// How AVFrame describes it; the file's enumeration values are those of the decoder that it names.
AVPixelFormat format_of(const Header& header) {
  return av_get_pix_fmt(std::string(header.pixel_format, strnlen(header.pixel_format, sizeof header.pixel_format)).c_str());
}

class File {
 public:
  File(const fs::path& path, int flags) : value_(::open(path.c_str(), flags | O_CLOEXEC, 0644)) {}
  ~File() { close(); }
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  void close() {
    if (value_ >= 0) ::close(value_);
    value_ = -1;
  }
  operator int() const { return value_; }

 private:
  int value_;
};

/// False at the end of the file or after an error (errno).
bool read_at(int file, void* out, size_t bytes, uint64_t offset) {
  auto* at = static_cast<char*>(out);
  while (bytes > 0) {
    errno = 0;
    const ssize_t got = ::pread(file, at, bytes, static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return false;
    at += got, bytes -= static_cast<size_t>(got), offset += static_cast<uint64_t>(got);
  }
  return true;
}

}  // namespace

struct CachedFrames::State {
  State(const fs::path& given, int flags) : path(given), file(given, flags) {}
  [[noreturn]] void fail(const std::string& what) const { throw DataError(path.string() + " " + what + kRemedy + "."); }
  fs::path path;
  File file;
  Header header = {};
  std::vector<uint64_t> hashes;
  std::mutex mutex;
  std::vector<uint8_t> planes;
  RgbConverter rgb;
};

CachedFrames::CachedFrames() = default;
CachedFrames::~CachedFrames() = default;

std::unique_ptr<CachedFrames> CachedFrames::open(const fs::path& path, const FileState& source) {
  auto opened = std::unique_ptr<CachedFrames>(new CachedFrames);
  opened->state_ = std::make_unique<State>(path, O_RDONLY);
  State& state = *opened->state_;
  Header& header = state.header;
  if (state.file < 0) {
    if (errno == ENOENT || errno == ENOTDIR) return nullptr;
    state.fail(std::string("cannot be read: ") + std::strerror(errno));
  }
  struct stat status = {};
  if (::fstat(state.file, &status) != 0 || !read_at(state.file, &header, sizeof header, 0) || std::memcmp(header.magic, kMagic, sizeof kMagic) != 0 ||
      header.hash != hash_of(header))
    state.fail("is damaged: its header is not one of decoded frames, or does not have its hash");
  if (header.source_bytes != source.bytes || header.source_modified_ns != source.modified_ns ||
      std::string(header.decoder, strnlen(header.decoder, sizeof header.decoder)) != video_decoder_version())
    return nullptr;
  const AVPixelFormat format = format_of(header);
  const int64_t bytes = format == AV_PIX_FMT_NONE ? -1 : av_image_get_buffer_size(format, header.width, header.height, 1);
  if (bytes <= 0 || header.frames < 1 || header.frames > uint64_t(VideoLimits().max_frames) || header.frame_bytes != static_cast<uint64_t>(bytes) ||
      static_cast<uint64_t>(status.st_size) != sizeof header + header.frames * (header.frame_bytes + 8))
    state.fail("is damaged: it has " + std::to_string(status.st_size) + " bytes, not those of the frames that its header states");
  state.hashes.resize(header.frames);
  if (!read_at(state.file, state.hashes.data(), header.frames * 8, sizeof header + header.frames * header.frame_bytes) ||
      XXH3_64bits(state.hashes.data(), header.frames * 8) != header.hashes_hash)
    state.fail("is damaged: its table of hashes does not have its own");
  state.planes.resize(header.frame_bytes + 64);
  return opened;
}

VideoShape CachedFrames::shape() const { return {static_cast<int64_t>(state_->header.frames), state_->header.height, state_->header.width}; }

Frames CachedFrames::frames(const std::vector<int64_t>& indices) const {
  State& state = *state_;
  const Header& header = state.header;
  const std::lock_guard lock(state.mutex);
  Frames result(PixelType::kU8, {static_cast<int64_t>(indices.size()), header.height, header.width, 3});
  const int64_t rgb_bytes = int64_t(3) * header.height * header.width;
  const std::unique_ptr<AVFrame, void (*)(AVFrame*)> picture(av_frame_alloc(), [](AVFrame* frame) { av_frame_free(&frame); });
  if (!picture) throw Error(ExitCode::kFailure, "out of memory while " + state.path.string() + " was read.");
  picture->format = format_of(header);
  picture->width = header.width, picture->height = header.height;
  picture->color_range = static_cast<AVColorRange>(header.color_range);
  picture->colorspace = static_cast<AVColorSpace>(header.colorspace);
  av_image_fill_arrays(picture->data, picture->linesize, state.planes.data(), static_cast<AVPixelFormat>(picture->format), header.width,
                       header.height, 1);
  for (size_t i = 0; i < indices.size(); ++i) {
    const auto index = static_cast<uint64_t>(indices[i]);
    if (indices[i] < 0 || index >= header.frames)
      throw DataError(state.path.string() + ": frame " + std::to_string(indices[i]) + " was asked for, it has " + std::to_string(header.frames) +
                      ".");
    if (!read_at(state.file, state.planes.data(), header.frame_bytes, sizeof header + index * header.frame_bytes))
      state.fail("cannot be read: " + std::string(errno ? std::strerror(errno) : "it has become shorter"));
    if (XXH3_64bits(state.planes.data(), header.frame_bytes) != state.hashes[index])
      state.fail("is damaged: frame " + std::to_string(index) + " does not have its hash");
    state.rgb.convert(*picture, result.u8() + static_cast<int64_t>(i) * rgb_bytes, state.path.string());
  }
  return result;
}

struct FrameCacheWriter::State {
  State(const fs::path& final_path, const FileState& given)
      : path(final_path), part(final_path.string() + ".part"), source(given), file(part, O_WRONLY | O_CREAT | O_TRUNC) {
    if (file < 0) fail();
    std::memcpy(header.magic, kMagic, sizeof kMagic);
    header.source_bytes = source.bytes, header.source_modified_ns = source.modified_ns;
    std::strncpy(header.decoder, video_decoder_version().c_str(), sizeof header.decoder - 1);
  }
  ~State() {
    std::error_code ignored;
    if (!done) fs::remove(part, ignored);
  }
  [[noreturn]] void fail() const {
    throw Error(ExitCode::kFailure, "cannot write " + part.string() + ": " + std::strerror(errno) +
                                        ". Free some space or name another folder with --cache; what is done is kept.");
  }
  void write_at(const void* data, size_t bytes, uint64_t offset) {
    const auto* at = static_cast<const char*>(data);
    while (bytes > 0) {
      const ssize_t put = ::pwrite(file, at, bytes, static_cast<off_t>(offset));
      if (put < 0 && errno == EINTR) continue;
      if (put <= 0) fail();
      at += put, bytes -= static_cast<size_t>(put), offset += static_cast<uint64_t>(put);
    }
  }

  fs::path path, part;
  FileState source;
  File file;
  Header header = {};
  std::vector<uint64_t> hashes;
  std::vector<uint8_t> planes;
  bool done = false;
};

FrameCacheWriter::FrameCacheWriter(const fs::path& path, const FileState& source) {
  std::error_code error;
  fs::create_directories(path.parent_path(), error);
  if (error)
    throw Error(ExitCode::kFailure,
                "the folder " + path.parent_path().string() + " cannot be made: " + error.message() + "; name another one with --cache.");
  state_ = std::make_unique<State>(path, source);
}
FrameCacheWriter::~FrameCacheWriter() = default;

void FrameCacheWriter::add(const Picture& picture) {
  State& state = *state_;
  Header& header = state.header;
  const auto format = static_cast<AVPixelFormat>(picture->format);
  if (header.frames == 0) {
    const AVPixFmtDescriptor* form = av_pix_fmt_desc_get(format);
    if (!form || (form->flags & AV_PIX_FMT_FLAG_PAL))
      throw DataError(state.path.string() + ": videos with a palette are not cached; leave --cache out.");
    std::strncpy(header.pixel_format, form->name, sizeof header.pixel_format - 1);
    header.width = picture->width, header.height = picture->height;
    header.color_range = picture->color_range, header.colorspace = picture->colorspace;
    header.frame_bytes = static_cast<uint64_t>(av_image_get_buffer_size(format, picture->width, picture->height, 1));
    state.planes.resize(header.frame_bytes);
  }
  av_image_copy_to_buffer(state.planes.data(), static_cast<int>(state.planes.size()), picture->data, picture->linesize, format, picture->width,
                          picture->height, 1);
  state.write_at(state.planes.data(), state.planes.size(), sizeof header + header.frames * header.frame_bytes);
  state.hashes.push_back(XXH3_64bits(state.planes.data(), state.planes.size()));
  ++header.frames;
}

void FrameCacheWriter::finish() {
  State& state = *state_;
  Header& header = state.header;
  state.write_at(state.hashes.data(), state.hashes.size() * 8, sizeof header + header.frames * header.frame_bytes);
  header.hashes_hash = XXH3_64bits(state.hashes.data(), state.hashes.size() * 8);
  header.hash = hash_of(header);
  state.write_at(&header, sizeof header, 0);
  // Without fsync for each of 13,320 files: after a power cut the hashes tell what did not reach the disk.
  state.file.close();
  if (::rename(state.part.c_str(), state.path.c_str()) != 0) state.fail();
  state.done = true;
}

}  // namespace liere
#else
namespace liere {

struct CachedFrames::State {};
CachedFrames::CachedFrames() = default;
CachedFrames::~CachedFrames() = default;
std::unique_ptr<CachedFrames> CachedFrames::open(const std::filesystem::path&, const FileState&) { return nullptr; }
VideoShape CachedFrames::shape() const { return {}; }
Frames CachedFrames::frames(const std::vector<int64_t>&) const { return {}; }
struct FrameCacheWriter::State {};
FrameCacheWriter::FrameCacheWriter(const std::filesystem::path&, const FileState&) {
  throw ConfigError("a cache of frames needs video, and this program was built without it (LIERE_VIDEO).");
}
FrameCacheWriter::~FrameCacheWriter() = default;
void FrameCacheWriter::add(const Picture&) {}
void FrameCacheWriter::finish() {}

}  // namespace liere
#endif
