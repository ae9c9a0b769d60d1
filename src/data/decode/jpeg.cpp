// JPEG by libjpeg-turbo. A box costs the entropy decoding of the rows down to its end, and the transforms and colours of the box alone, with a
// margin: smooth upsampling of the chroma reads the neighbours of a pixel, and libjpeg treats the edge of what it is asked for as the picture's edge.
// After the last row of the box nothing is read: damage further down is not noticed then (liere-data verify decodes whole pictures).
//
// libjpeg reports errors through callbacks that must not return; they jump back to JpegReader::run, over C frames and functions without destructors
// only.
#include <setjmp.h>
#include <stdio.h>
// libjpeg's header needs stdio.h before it.
#include <jerror.h>
#include <jpeglib.h>

#include <algorithm>
#include <cstring>

#include "core/check.h"
#include "data/decode/decoders.h"

namespace liere {
namespace {

constexpr int kMaxScans = 100;  // progressive files have about ten
/// Columns beside a box: one chroma sample is enough (two columns), libjpeg rounds the left side to a block. Rows above need none.
constexpr int64_t kMargin = 4;
/// Scans times pixels: about two seconds of work at most.
constexpr int64_t kMaxScannedPixels = 4000000000;
/// Every 8x8 block of a Huffman-coded picture takes a bit at least.
constexpr int64_t kMaxPixelsPerByte = 512;

struct ErrorState {
  jpeg_error_mgr manager;  // first: libjpeg's pointer to it is the pointer to this
  jmp_buf jump;
  char message[JMSG_LENGTH_MAX];
};

[[noreturn]] void jump_back(j_common_ptr info) {
  auto* const state = reinterpret_cast<ErrorState*>(info->err);
  info->err->format_message(info, state->message);
  longjmp(state->jump, 1);
}

/// Warnings after which the pixels are still the file's: stray bytes between segments, newer or unknown versions of headers that are not needed.
/// libjpeg fills in grey for all others (the data ends early, bad codes, lost synchronisation).
bool harmless(int code) {
  return code == JWRN_EXTRANEOUS_DATA || code == JWRN_JFIF_MAJOR || code == JWRN_ADOBE_XFORM || code == JWRN_NOT_SEQUENTIAL || code == JWRN_BOGUS_ICC;
}

void on_message(j_common_ptr info, int level) {
  if (level < 0 && !harmless(info->err->msg_code)) jump_back(info);
}

void on_progress(j_common_ptr common) {
  const auto* const info = reinterpret_cast<j_decompress_ptr>(common);
  const int64_t scans = info->input_scan_number, pixels = int64_t(info->image_width) * info->image_height;
  if (scans <= kMaxScans && scans * pixels <= kMaxScannedPixels) return;
  auto* const state = reinterpret_cast<ErrorState*>(common->err);
  snprintf(state->message, sizeof state->message, "more scans (%d) than a picture of this size needs: it would only take time",
           info->input_scan_number);
  longjmp(state->jump, 1);
}

/// Frees libjpeg's memory, also where the constructor below throws.
struct Decompression {
  jpeg_decompress_struct info{};
  Decompression() = default;
  Decompression(const Decompression&) = delete;
  Decompression& operator=(const Decompression&) = delete;
  ~Decompression() { jpeg_destroy_decompress(&info); }
};

class JpegReader {
 public:
  JpegReader(std::string_view bytes, const std::string& name) : name_(name) {
    info_.err = jpeg_std_error(&error_.manager);
    error_.manager.error_exit = jump_back;
    error_.manager.emit_message = on_message;
    progress_.progress_monitor = on_progress;
    run([&] {
      jpeg_create_decompress(&info_);
      info_.progress = &progress_;
      jpeg_mem_src(&info_, reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size());
      jpeg_read_header(&info_, TRUE);
    });
    require_picture_size(info_.image_height, info_.image_width, name);
    if (info_.num_components != 1 && info_.num_components != 3 && info_.num_components != 4)
      throw_damaged(name, "expected a JPEG of 1, 3 or 4 components, found " + std::to_string(info_.num_components));
    if (!info_.arith_code && int64_t(info_.image_width) * info_.image_height / kMaxPixelsPerByte > static_cast<int64_t>(bytes.size()))
      throw_damaged(name, "the JPEG says " + std::to_string(info_.image_width) + "x" + std::to_string(info_.image_height) + " pixels, which " +
                              std::to_string(bytes.size()) + " bytes cannot hold");
  }

  ImageInfo image_info() const { return {ImageFormat::kJpeg, info_.image_height, info_.image_width, info_.num_components}; }

  Frames decode(const Box& box) {
    start(box);
    Frames frames(PixelType::kU8, {1, box.height, box.width, 3});
    // Rows wider than the box, or of four channels, pass through here.
    std::vector<uint8_t> scratch(info_.output_width * info_.output_components);
    read_rows(box, frames.u8(), scratch.data());
    return frames;
  }

 private:
  /// Calls `step`; throws what libjpeg reports. `step` and what it calls may hold nothing that has a destructor.
  template <class Step>
  void run(const Step& step) {
    if (setjmp(error_.jump)) throw_damaged(name_, std::string("the JPEG cannot be decoded: ") + error_.message);
    step();
  }

  bool cmyk() const { return info_.num_components == 4; }

  /// A progressive file that ends before its last bits of detail (with an end marker: it was made so): libjpeg smooths across blocks, further than the margin.
  bool smoothed() const {
    if (!info_.progressive_mode || !info_.coef_bits) return false;
    for (int c = 0; c < info_.num_components; ++c)
      for (int k = 0; k < DCTSIZE2; ++k)
        if (info_.coef_bits[c][k] != 0) return true;
    return false;
  }

  /// Up to the first row that is read; first_row_ and first_column_ are then the place of what is read in the picture.
  void start(const Box& box) {
    run([&] {
      info_.out_color_space = cmyk() ? JCS_CMYK : JCS_RGB;
      info_.dct_method = JDCT_ISLOW;
      info_.do_fancy_upsampling = TRUE;
      jpeg_start_decompress(&info_);
      if (smoothed()) return;
      if (box.width < info_.image_width) {
        JDIMENSION left = static_cast<JDIMENSION>(std::max<int64_t>(0, box.left - kMargin));
        JDIMENSION width = static_cast<JDIMENSION>(std::min<int64_t>(info_.image_width, box.left + box.width + kMargin)) - left;
        jpeg_crop_scanline(&info_, &left, &width);
        first_column_ = left;
      }
      if (box.top > 0) first_row_ = jpeg_skip_scanlines(&info_, static_cast<JDIMENSION>(box.top));
    });
  }

  void read_rows(const Box& box, uint8_t* out, uint8_t* scratch) {
    run([&] {
      const int64_t channels = info_.output_components, width = info_.output_width;
      const bool direct = channels == 3 && width == box.width;
      constexpr int64_t kMostRows = 16;
      JSAMPROW rows[kMostRows];
      while (first_row_ < box.top + box.height) {
        int64_t wanted = 1;
        rows[0] = scratch;
        if (direct && first_row_ >= box.top) {
          wanted = std::min(kMostRows, box.top + box.height - first_row_);
          for (int64_t i = 0; i < wanted; ++i) rows[i] = out + (first_row_ - box.top + i) * width * 3;
        }
        const auto read = static_cast<int64_t>(jpeg_read_scanlines(&info_, rows, static_cast<JDIMENSION>(wanted)));
        if (!direct && first_row_ >= box.top)
          put_row(box, scratch + (box.left - first_column_) * channels, out + (first_row_ - box.top) * box.width * 3);
        first_row_ += read;
      }
    });
  }

  void put_row(const Box& box, const uint8_t* in, uint8_t* out) const {
    if (!cmyk()) {
      std::memcpy(out, in, box.width * 3);
      return;
    }
    // The file's values are 255 - ink (Adobe's convention, which Pillow takes for granted). White left by ink and black: n - ink n / 255, rounded,
    // with n = 255 - black.
    for (int64_t i = 0; i < box.width; ++i)
      for (int c = 0; c < 3; ++c) {
        const int left = in[i * 4 + 3], product = (255 - in[i * 4 + c]) * left + 128;
        out[i * 3 + c] = static_cast<uint8_t>(std::max(0, left - ((product + (product >> 8)) >> 8)));
      }
  }

  ErrorState error_{};
  jpeg_progress_mgr progress_{};
  Decompression decompression_;
  jpeg_decompress_struct& info_ = decompression_.info;
  int64_t first_row_ = 0, first_column_ = 0;
  const std::string& name_;
};

}  // namespace

ImageInfo read_jpeg_info(std::string_view bytes, const std::string& name) { return JpegReader(bytes, name).image_info(); }

Frames decode_jpeg(std::string_view bytes, const std::string& name, const std::optional<Box>& box) {
  JpegReader reader(bytes, name);
  return reader.decode(checked_box(box, reader.image_info(), name));
}

}  // namespace liere
