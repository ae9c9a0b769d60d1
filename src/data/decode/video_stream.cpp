#include "data/decode/video_stream.h"

#ifdef LIERE_VIDEO
extern "C" {
#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <libavutil/pixdesc.h>
}

#include <chrono>
#include <cstdarg>
#include <cstring>
#include <mutex>

#include "core/check.h"

namespace liere {
namespace {

constexpr const char* kCodecs = "mpeg4,msmpeg4v1,msmpeg4v2,msmpeg4,mpeg1video,mpeg2video,h263,h263i,h264,hevc,vp8,vp9,mjpeg,rawvideo";
constexpr int kRules = 1;  // raise it when the same bytes give other frames
constexpr int kIoBytes = 1 << 16;

/// What libav said last in this thread, whether it concealed something that it could not decode, and whether the file ended within something.
struct Said {
  char error[200] = "";
  bool concealed = false, cut = false;
};
thread_local Said said;

void listen(void*, int level, const char* format, va_list arguments) {
  if (level > AV_LOG_INFO) return;
  if (std::strstr(format, "concealing")) said.concealed = true;
  if (std::strstr(format, "ended prematurely")) said.cut = true;
  if (level > AV_LOG_ERROR) return;
  std::vsnprintf(said.error, sizeof said.error, format, arguments);
}

/// Printable, in one line, without what would end a sentence early.
std::string what_libav_said(int code) {
  std::string text = said.error;
  if (text.empty() && code != 0) {
    char buffer[AV_ERROR_MAX_STRING_SIZE] = "";
    av_strerror(code, buffer, sizeof buffer);
    text = buffer;
  }
  for (char& c : text)
    if (static_cast<unsigned char>(c) < 32 || static_cast<unsigned char>(c) > 126) c = ' ';
  while (!text.empty() && (text.back() == ' ' || text.back() == '.')) text.pop_back();
  return text.empty() ? "" : " (" + text + ")";
}

uint32_t little_endian(const std::string& bytes, size_t at) {
  uint32_t value = 0;
  for (size_t i = 4; i-- > 0;) value = value << 8 | static_cast<unsigned char>(bytes[at + i]);
  return value;
}

/// The one reader for what the first bytes say. The size that an AVI states is compared here: libav reads what is there of a file that was cut, and
/// says nothing.
const char* container_of(const std::string& bytes, const std::string& name) {
  const auto has = [&](size_t at, std::string_view text) {
    return bytes.size() >= at + text.size() && std::string_view(bytes).substr(at, text.size()) == text;
  };
  if (bytes.empty()) throw DataError(name + " is empty, expected a video; fetch it again.");
  if (has(0, "RIFF") && has(8, "AVI ")) {
    const uint64_t stated = uint64_t(little_endian(bytes, 4)) + 8;  // 0: written by a recorder that never came to its end
    if (stated > 8 && stated > uint64_t(bytes.size()) + 1)
      throw DataError(name + " ends after " + std::to_string(bytes.size()) + " bytes, expected " + std::to_string(stated) +
                      " as its header says; fetch it again.");
    return "avi";
  }
  if (has(4, "ftyp")) return "mov";
  if (has(0, "\x1a\x45\xdf\xa3")) return "matroska";
  std::string shown;
  for (const char c : bytes.substr(0, 12)) shown += c >= 32 && c < 127 ? c : '?';
  throw DataError(name + ": expected a video in an AVI, MP4 or Matroska file, found a file that begins with \"" + shown + "\"; fetch it again.");
}

struct Reader {
  const std::string* bytes = nullptr;
  int64_t at = 0;
  std::chrono::steady_clock::time_point deadline;
  bool late() const { return std::chrono::steady_clock::now() > deadline; }
};

int read_some(void* opaque, uint8_t* out, int wanted) {
  auto& reader = *static_cast<Reader*>(opaque);
  if (reader.late()) return AVERROR_EXIT;
  const int64_t left = static_cast<int64_t>(reader.bytes->size()) - reader.at;
  const auto count = static_cast<int>(std::min<int64_t>(wanted, left));
  if (count <= 0) return AVERROR_EOF;
  std::memcpy(out, reader.bytes->data() + reader.at, static_cast<size_t>(count));
  reader.at += count;
  return count;
}

int64_t move_to(void* opaque, int64_t offset, int whence) {
  auto& reader = *static_cast<Reader*>(opaque);
  const auto size = static_cast<int64_t>(reader.bytes->size());
  if (whence == AVSEEK_SIZE) return size;
  whence &= ~AVSEEK_FORCE;
  const int64_t base = whence == SEEK_SET ? 0 : whence == SEEK_CUR ? reader.at : size;
  if (offset < -base || offset > size - base) return AVERROR(EINVAL);
  return reader.at = base + offset;
}

}  // namespace

void silence_libav() {
  static std::once_flag once;
  std::call_once(once, [] { av_log_set_callback(listen); });
}

std::pair<int64_t, int64_t> picture_size(const AVFrame& picture) { return {picture.height, picture.width}; }

std::string video_decoder_version() {
  const unsigned version = avcodec_version();
  return "libavcodec " + std::to_string(version >> 16) + "." + std::to_string(version >> 8 & 255) + "." + std::to_string(version & 255) + ", rules " +
         std::to_string(kRules);
}

struct VideoStream::State {
  State(const std::string& bytes, const std::string& stream_name, const VideoLimits& given) : name(stream_name), limits(given) {
    reader.bytes = &bytes;
  }
  ~State() {
    av_packet_free(&packet);
    avcodec_free_context(&codec);
    avformat_close_input(&format);
    if (io) av_freep(&io->buffer);
    avio_context_free(&io);
  }
  State(const State&) = delete;
  State& operator=(const State&) = delete;

  [[noreturn]] void fail(const std::string& what, const std::string& remedy = "fetch it again, or leave it out") const {
    throw DataError(name + ": " + what + "; " + remedy + ".");
  }
  [[noreturn]] void fail_damaged(int code) const {
    check_deadline();
    fail("it is damaged behind frame " + std::to_string(count) + what_libav_said(code));
  }
  void check_deadline() const {
    if (reader.late())
      fail("decoding took more than " + std::to_string(limits.seconds).substr(0, 4) + " s, " + std::to_string(count) + " frames were done",
           "leave it out, or encode it anew with fewer or smaller frames");
  }
  void check_pixels(int64_t width, int64_t height) const {
    if (width < 1 || height < 1 || width > limits.max_pixels || height > limits.max_pixels / width)
      fail("its pictures have " + std::to_string(width) + "x" + std::to_string(height) + " pixels, expected at most " +
               std::to_string(limits.max_pixels) + " in all",
           "encode it anew with smaller ones");
  }
  void open();
  void open_codec();
  bool send_packet();
  void check_picture(const AVFrame& frame);

  const std::string& name;
  VideoLimits limits;
  Reader reader;
  AVIOContext* io = nullptr;
  AVFormatContext* format = nullptr;
  AVCodecContext* codec = nullptr;
  AVPacket* packet = nullptr;
  int stream = -1;
  int64_t count = 0;
  bool draining = false, ended = false;
  std::chrono::nanoseconds left{};
  int width = 0, height = 0, pixel_format = -1;  // of the first picture
};

/// The time that a pass may take runs while libav works, not while its caller does.
class VideoStream::Running {
 public:
  explicit Running(State& state) : state_(state) { state.reader.deadline = std::chrono::steady_clock::now() + state.left; }
  ~Running() { state_.left = state_.reader.deadline - std::chrono::steady_clock::now(); }
  Running(const Running&) = delete;
  Running& operator=(const Running&) = delete;

 private:
  State& state_;
};

void VideoStream::State::open() {
  const char* container = container_of(*reader.bytes, name);
  const AVInputFormat* const input = av_find_input_format(container);
  if (!input) fail(std::string("this system's libav does not read ") + container + " files", "install a complete one");
  auto* const buffer = static_cast<uint8_t*>(av_malloc(kIoBytes));
  io = buffer ? avio_alloc_context(buffer, kIoBytes, 0, &reader, read_some, nullptr, move_to) : nullptr;
  format = avformat_alloc_context();
  packet = av_packet_alloc();
  if (!io || !format || !packet) throw Error(ExitCode::kFailure, "out of memory while " + name + " was opened.");
  format->pb = io;
  format->flags |= AVFMT_FLAG_CUSTOM_IO;
  format->max_streams = 16;
  format->interrupt_callback = {[](void* opaque) { return static_cast<Reader*>(opaque)->late() ? 1 : 0; }, &reader};
  AVDictionary* options = nullptr;
  av_dict_set(&options, "codec_whitelist", kCodecs, 0);
  av_dict_set(&options, "protocol_whitelist", "none", 0);  // nothing beside these bytes is ever opened
  const int code = avformat_open_input(&format, nullptr, input, &options);
  av_dict_free(&options);
  if (code < 0) fail_damaged(code);
  for (unsigned i = 0; i < format->nb_streams; ++i) {
    AVStream& candidate = *format->streams[i];
    if (stream < 0 && candidate.codecpar->codec_type == AVMEDIA_TYPE_VIDEO && !(candidate.disposition & AV_DISPOSITION_ATTACHED_PIC))
      stream = static_cast<int>(i);
    else
      candidate.discard = AVDISCARD_ALL;
  }
  if (stream < 0) fail(format->nb_streams == 0 ? "it holds no streams" : "it holds no video, only sound or other streams");
  open_codec();
}

void VideoStream::State::open_codec() {
  const AVCodecParameters& parameters = *format->streams[stream]->codecpar;
  if (parameters.width > 0 && parameters.height > 0) check_pixels(parameters.width, parameters.height);
  const AVCodec* const decoder = avcodec_find_decoder(parameters.codec_id);
  const std::string codec_name = avcodec_get_name(parameters.codec_id);
  if (!decoder) fail("its video is encoded as " + codec_name + ", which this system's libav does not decode", "encode it anew as MPEG-4 or H.264");
  codec = avcodec_alloc_context3(decoder);
  if (!codec || avcodec_parameters_to_context(codec, &parameters) < 0)
    throw Error(ExitCode::kFailure, "out of memory while " + name + " was opened.");
  codec->thread_count = 1;
  codec->max_pixels =
      2 * limits.max_pixels + (1 << 16);  // libav counts the borders that it adds; what we allow is compared with the pictures themselves
  codec->err_recognition = AV_EF_EXPLODE;
  codec->flags |= AV_CODEC_FLAG_BITEXACT;
  codec->pkt_timebase = format->streams[stream]->time_base;
  // Without it H.264 streams that do not state how far pictures are reordered lose the first of them.
  if (parameters.codec_id == AV_CODEC_ID_H264) codec->strict_std_compliance = FF_COMPLIANCE_STRICT;
  AVDictionary* options = nullptr;
  av_dict_set(&options, "codec_whitelist", kCodecs, 0);
  const int code = avcodec_open2(codec, decoder, &options);
  av_dict_free(&options);
  if (code < 0)
    fail("its video is encoded as " + codec_name + ", expected one of " + kCodecs + what_libav_said(code), "encode it anew as MPEG-4 or H.264");
}

/// False when the codec has pictures to give first.
bool VideoStream::State::send_packet() {
  for (;;) {
    check_deadline();
    const int code = av_read_frame(format, packet);
    if (code == AVERROR_EOF) {
      if (reader.late()) check_deadline();
      if (said.cut || (io->error < 0 && io->error != AVERROR_EOF)) fail_damaged(io->error);
      draining = true;
      return avcodec_send_packet(codec, nullptr) >= 0;
    }
    if (code < 0) fail_damaged(code);
    struct Unref {
      AVPacket* packet;
      ~Unref() { av_packet_unref(packet); }
    } const unref{packet};
    if (packet->stream_index != stream) continue;
    if (packet->flags & AV_PKT_FLAG_CORRUPT) fail_damaged(0);
    if (packet->size == 0) continue;  // AVI writes one for a frame that shows the one before once more: it is not decoded, so it is not counted
    const int sent = avcodec_send_packet(codec, packet);
    if (sent < 0 && sent != AVERROR(EAGAIN)) fail_damaged(sent);
    return true;
  }
}

void VideoStream::State::check_picture(const AVFrame& frame) {
  if (said.concealed || frame.decode_error_flags != 0 || (frame.flags & AV_FRAME_FLAG_CORRUPT)) fail_damaged(0);
  check_pixels(frame.width, frame.height);
  if (count == 0) width = frame.width, height = frame.height, pixel_format = frame.format;
  if (frame.width != width || frame.height != height || frame.format != pixel_format) {
    const auto text = [](int w, int h, int form) {
      return std::to_string(w) + "x" + std::to_string(h) + " " + av_get_pix_fmt_name(static_cast<AVPixelFormat>(form));
    };
    fail("frame " + std::to_string(count) + " is " + text(frame.width, frame.height, frame.format) + ", expected " +
             text(width, height, pixel_format) + " as the frames before",
         "encode it anew with one size");
  }
  if (++count > limits.max_frames) fail("it has more than " + std::to_string(limits.max_frames) + " frames", "cut it into shorter ones");
}

VideoStream::VideoStream(const std::string& bytes, const std::string& name, const VideoLimits& limits)
    : state_(std::make_unique<State>(bytes, name, limits)) {
  silence_libav();
  said = {};
  state_->left = std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::duration<double>(limits.seconds));
  const Running running(*state_);
  state_->open();
}

VideoStream::~VideoStream() = default;

Picture VideoStream::next() {
  State& state = *state_;
  said = {};
  if (state.ended) return nullptr;
  const Running running(state);
  const Picture picture(av_frame_alloc(), [](AVFrame* frame) { av_frame_free(&frame); });
  if (!picture) throw Error(ExitCode::kFailure, "out of memory while " + state.name + " was decoded.");
  for (;;) {
    const int code = avcodec_receive_frame(state.codec, picture.get());
    if (code >= 0) {
      state.check_picture(*picture);
      return picture;
    }
    if (code == AVERROR_EOF || (code == AVERROR(EAGAIN) && state.draining)) {
      state.ended = true;
      return nullptr;
    }
    if (code != AVERROR(EAGAIN)) state.fail_damaged(code);
    state.send_packet();
  }
}

}  // namespace liere
#else
namespace liere {
struct VideoStream::State {};
std::string video_decoder_version() { return "none"; }
std::pair<int64_t, int64_t> picture_size(const AVFrame&) { return {}; }
VideoStream::VideoStream(const std::string&, const std::string&, const VideoLimits&) {}
VideoStream::~VideoStream() = default;
Picture VideoStream::next() { return nullptr; }
}  // namespace liere
#endif
