// Decoded planes -> RGB by libswscale, always in one way: chroma is interpolated bilinearly to the pixels of luma, sums are exact (accurate_rnd, full_chroma_int) and the same on
// every processor (bitexact). Matrix and range are those that the stream names, BT.601 and 16..235 where it names none, whatever the picture's size: that is what
// libswscale gives all loaders by default.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

struct AVFrame;
struct SwsContext;

namespace liere {

class RgbConverter {
 public:
  RgbConverter() = default;
  ~RgbConverter();
  RgbConverter(const RgbConverter&) = delete;
  RgbConverter& operator=(const RgbConverter&) = delete;
  /// [height, width, 3] u8. Throws DataError naming `name` for pixels that libswscale does not read.
  void convert(const AVFrame& picture, uint8_t* rgb, const std::string& name);

 private:
  SwsContext* context_ = nullptr;
};

}  // namespace liere
