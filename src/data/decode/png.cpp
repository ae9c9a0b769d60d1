// PNG by libpng as Pillow's convert("RGB") gives it: palettes looked up, grey copied, transparency dropped, gamma left alone, of 16 bits the upper
// eight (of grey too: Pillow cuts that off at 255, which leaves such a picture white). Errors jump from libpng's callback back to PngReader::run,
// over C frames and functions without destructors only.
#include <png.h>
#include <setjmp.h>
#include <stdio.h>

#include <cstring>

#include "core/check.h"
#include "data/decode/decoders.h"

namespace liere {
namespace {

/// What deflate can expand a byte to.
constexpr int64_t kMaxExpansion = 1032;

/// Frees libpng's memory, also where the constructor below throws.
struct PngStructs {
  png_structp png = nullptr;
  png_infop info = nullptr;
  PngStructs() = default;
  PngStructs(const PngStructs&) = delete;
  PngStructs& operator=(const PngStructs&) = delete;
  ~PngStructs() { png_destroy_read_struct(&png, &info, nullptr); }
};

class PngReader {
 public:
  PngReader(std::string_view bytes, const std::string& name) : rest_(bytes), name_(name) {
    png_ = png_create_read_struct(PNG_LIBPNG_VER_STRING, this, on_error, [](png_structp, png_const_charp) {});
    info_ = png_ ? png_create_info_struct(png_) : nullptr;
    if (!info_) throw std::bad_alloc();
    run([&] {
      png_set_read_fn(png_, this, read_bytes);
      png_set_user_limits(png_, 0x7fffffff, 0x7fffffff);  // the limit is on pixels, below
      png_read_info(png_, info_);
    });
    require_picture_size(height(), width(), name);
    const auto raw_bytes = height() * static_cast<int64_t>(png_get_rowbytes(png_, info_));
    if (raw_bytes / kMaxExpansion > static_cast<int64_t>(bytes.size()))
      throw_damaged(name, "the PNG says " + std::to_string(width()) + "x" + std::to_string(height()) + " pixels, which " +
                              std::to_string(bytes.size()) + " bytes cannot hold");
  }

  int64_t height() const { return png_get_image_height(png_, info_); }
  int64_t width() const { return png_get_image_width(png_, info_); }
  ImageInfo image_info() const {
    const int components = png_get_color_type(png_, info_) == PNG_COLOR_TYPE_PALETTE ? 3 : png_get_channels(png_, info_);
    return {ImageFormat::kPng, height(), width(), components};
  }

  Frames decode(const Box& box) {
    int passes = 1;
    run([&] {
      if (png_get_color_type(png_, info_) == PNG_COLOR_TYPE_PALETTE) png_set_palette_to_rgb(png_);
      if (png_get_bit_depth(png_, info_) < 8) png_set_expand_gray_1_2_4_to_8(png_);
      png_set_strip_16(png_);
      png_set_strip_alpha(png_);
      png_set_gray_to_rgb(png_);
      passes = png_set_interlace_handling(png_);
      png_read_update_info(png_, info_);
    });
    const int64_t row_bytes = width() * 3;
    if (static_cast<int64_t>(png_get_rowbytes(png_, info_)) != row_bytes) throw_damaged(name_, "the PNG's pixels did not become 24-bit RGB");
    // An interlaced picture is filled in several passes; the rows of another one below the box are not read.
    const bool whole = passes > 1;
    std::vector<uint8_t> scratch((whole ? height() : 1) * row_bytes);
    Frames frames(PixelType::kU8, {1, box.height, box.width, 3});
    run([&] {
      for (int pass = 0; pass + 1 < passes; ++pass)
        for (int64_t y = 0; y < height(); ++y) png_read_row(png_, scratch.data() + y * row_bytes, nullptr);
      const int64_t end = whole ? height() : box.top + box.height;
      for (int64_t y = 0; y < end; ++y) {
        uint8_t* const row = scratch.data() + (whole ? y * row_bytes : 0);
        png_read_row(png_, row, nullptr);
        if (y >= box.top && y < box.top + box.height) std::memcpy(frames.u8() + (y - box.top) * box.width * 3, row + box.left * 3, box.width * 3);
      }
    });
    return frames;
  }

 private:
  [[noreturn]] static void on_error(png_structp png, png_const_charp message) {
    auto* const self = static_cast<PngReader*>(png_get_error_ptr(png));
    snprintf(self->message_, sizeof self->message_, "%s", message);
    longjmp(self->jump_, 1);
  }

  static void read_bytes(png_structp png, png_bytep out, size_t count) {
    auto* const self = static_cast<PngReader*>(png_get_io_ptr(png));
    if (self->rest_.size() < count) png_error(png, "the file ends too early");
    memcpy(out, self->rest_.data(), count);
    self->rest_.remove_prefix(count);
  }

  /// Calls `step`; throws what libpng reports. `step` may hold nothing that has a destructor.
  template <class Step>
  void run(const Step& step) {
    if (setjmp(jump_)) throw_damaged(name_, std::string("the PNG cannot be decoded: ") + message_);
    step();
  }

  std::string_view rest_;
  PngStructs structs_;
  png_structp& png_ = structs_.png;
  png_infop& info_ = structs_.info;
  jmp_buf jump_;
  char message_[200] = "";
  const std::string& name_;
};

}  // namespace

ImageInfo read_png_info(std::string_view bytes, const std::string& name) { return PngReader(bytes, name).image_info(); }

Frames decode_png(std::string_view bytes, const std::string& name, const std::optional<Box>& box) {
  PngReader reader(bytes, name);
  return reader.decode(checked_box(box, reader.image_info(), name));
}

}  // namespace liere
