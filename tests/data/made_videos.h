// Small videos made at test time through libav's own encoders. Frame i is a grey ramp that moves, with i in its brightness, so that each differs from
// all others.
#pragma once

#ifdef LIERE_VIDEO
extern "C" {
#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
}

#include <cstdint>
#include <cstring>
#include <stdexcept>
#include <string>
#include <vector>

namespace liere::test {

struct MadeVideo {
  int frames = 12, width = 64, height = 48;
  std::string codec = "mpeg4", container = "avi";
  int b_frames = 0;
  int gop = 6;
  int second_width = 0, second_height = 0;  // of the second half, when not 0
  bool video = true, sound = false;
  std::string tag;  // four characters, e.g. "XVID"
};

inline void require_av(int code, const char* what) {
  if (code < 0) throw std::runtime_error(std::string("a video for a test could not be made: ") + what);
}

inline AVFrame* made_frame(int width, int height, AVPixelFormat format, int index) {
  AVFrame* frame = av_frame_alloc();
  frame->width = width, frame->height = height, frame->format = format, frame->pts = index;
  require_av(av_frame_get_buffer(frame, 0), "frame");
  for (int plane = 0; plane < 3 && frame->data[plane]; ++plane) {
    const int rows = plane ? (height + 1) / 2 : height, columns = plane ? (width + 1) / 2 : width;
    for (int y = 0; y < rows; ++y)
      for (int x = 0; x < columns; ++x)
        frame->data[plane][y * frame->linesize[plane] + x] =
            static_cast<uint8_t>(plane ? 96 + plane * 20 + (x + 2 * y) % 16 + index : 16 + (x * 3 + y * 2 + index * 7) % 200);
  }
  return frame;
}

class VideoMaker {
 public:
  explicit VideoMaker(const MadeVideo& video) : video_(video) {
    require_av(avformat_alloc_output_context2(&format_, nullptr, video.container.c_str(), nullptr), "container");
    format_->flags |= AVFMT_FLAG_BITEXACT;
    format_->pb = avio_alloc_context(static_cast<uint8_t*>(av_malloc(4096)), 4096, 1, this, nullptr, &VideoMaker::put, &VideoMaker::move);
  }
  std::string make() {
    AVCodecContext* first = video_.video ? open(video_.width, video_.height) : nullptr;
    AVCodecContext* second = video_.second_width ? open(video_.second_width, video_.second_height) : nullptr;
    if (first) add_stream(first);
    if (video_.sound) add_sound();
    require_av(avformat_write_header(format_, nullptr), "header");
    for (int i = 0; i < video_.frames; ++i) {
      AVCodecContext* encoder = second && i >= video_.frames / 2 ? second : first;
      if (second && i == video_.frames / 2) write(first, nullptr, 0);
      if (encoder) {
        AVFrame* frame = made_frame(encoder->width, encoder->height, encoder->pix_fmt, i);
        write(encoder, frame, 0);
        av_frame_free(&frame);
      }
      if (video_.sound) write_sound(i);
    }
    if (first) write(second ? second : first, nullptr, 0);
    require_av(av_write_trailer(format_), "trailer");
    avio_flush(format_->pb);
    av_freep(&format_->pb->buffer);
    avio_context_free(&format_->pb);
    avcodec_free_context(&first);
    avcodec_free_context(&second);
    avformat_free_context(format_);
    return bytes_;
  }

 private:
  static int put(void* opaque, uint8_t* data, int size) {
    auto& self = *static_cast<VideoMaker*>(opaque);
    if (self.bytes_.size() < self.at_ + static_cast<size_t>(size)) self.bytes_.resize(self.at_ + static_cast<size_t>(size));
    std::memcpy(self.bytes_.data() + self.at_, data, static_cast<size_t>(size));
    self.at_ += static_cast<size_t>(size);
    return size;
  }
  static int64_t move(void* opaque, int64_t offset, int whence) {
    auto& self = *static_cast<VideoMaker*>(opaque);
    if (whence == AVSEEK_SIZE) return static_cast<int64_t>(self.bytes_.size());
    if (whence != SEEK_SET) return AVERROR(EINVAL);
    self.at_ = static_cast<size_t>(offset);
    return offset;
  }
  AVCodecContext* open(int width, int height) {
    const AVCodec* codec = avcodec_find_encoder_by_name(video_.codec.c_str());
    if (!codec) throw std::runtime_error("no encoder " + video_.codec);
    AVCodecContext* encoder = avcodec_alloc_context3(codec);
    encoder->width = width, encoder->height = height;
    encoder->time_base = {1, 25};
    encoder->pix_fmt = codec->pix_fmts ? codec->pix_fmts[0] : AV_PIX_FMT_YUV420P;
    encoder->gop_size = video_.gop, encoder->max_b_frames = video_.b_frames;
    encoder->bit_rate = 400000;
    encoder->flags |= AV_CODEC_FLAG_BITEXACT;
    encoder->thread_count = 1;
    if (format_->oformat->flags & AVFMT_GLOBALHEADER) encoder->flags |= AV_CODEC_FLAG_GLOBAL_HEADER;
    if (!video_.tag.empty()) std::memcpy(&encoder->codec_tag, video_.tag.data(), 4);
    require_av(avcodec_open2(encoder, codec, nullptr), "encoder");
    return encoder;
  }
  void add_stream(AVCodecContext* encoder) {
    AVStream* stream = avformat_new_stream(format_, nullptr);
    stream->time_base = {1, 25};
    avcodec_parameters_from_context(stream->codecpar, encoder);
  }
  void add_sound() {
    AVStream* stream = avformat_new_stream(format_, nullptr);
    sound_ = stream->index;
    stream->time_base = {1, 8000};
    auto* parameters = stream->codecpar;
    parameters->codec_type = AVMEDIA_TYPE_AUDIO, parameters->codec_id = AV_CODEC_ID_PCM_S16LE, parameters->sample_rate = 8000,
    parameters->format = AV_SAMPLE_FMT_S16;
    av_channel_layout_default(&parameters->ch_layout, 1);
    parameters->block_align = 2, parameters->bits_per_coded_sample = 16;
  }
  void write(AVCodecContext* encoder, AVFrame* frame, int stream) {
    require_av(avcodec_send_frame(encoder, frame), "frame sent");
    AVPacket* packet = av_packet_alloc();
    while (avcodec_receive_packet(encoder, packet) >= 0) {
      packet->stream_index = stream;
      packet->duration = 1;
      av_packet_rescale_ts(packet, {1, 25}, format_->streams[stream]->time_base);
      require_av(av_interleaved_write_frame(format_, packet), "packet");
    }
    av_packet_free(&packet);
  }
  void write_sound(int index) {
    AVPacket* packet = av_packet_alloc();
    require_av(av_new_packet(packet, 640), "sound");
    std::memset(packet->data, 0, 640);
    packet->stream_index = sound_;
    packet->pts = packet->dts = index * 320, packet->duration = 320;
    av_packet_rescale_ts(packet, {1, 8000}, format_->streams[sound_]->time_base);
    require_av(av_interleaved_write_frame(format_, packet), "sound");
    av_packet_free(&packet);
  }

  MadeVideo video_;
  AVFormatContext* format_ = nullptr;
  int sound_ = 0;
  std::string bytes_;
  size_t at_ = 0;
};

inline std::string made_video(const MadeVideo& video = {}) { return VideoMaker(video).make(); }

}  // namespace liere::test
#endif
