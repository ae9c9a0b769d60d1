// JPEG files of formula pictures, in all the ways that the format allows.
#pragma once

#include <stdio.h>
// libjpeg's header needs stdio.h before it.
#include <jpeglib.h>

#include <cstdlib>
#include <string>
#include <utility>

#include "data/sample.h"

namespace liere::test {

/// Edges and slopes in all channels: neighbours differ, so that a chroma sample from the wrong place shows.
inline Frames formula_picture(int64_t height, int64_t width, int64_t channels = 3) {
  Frames frames(PixelType::kU8, {1, height, width, channels});
  uint8_t* out = frames.u8();
  for (int64_t y = 0; y < height; ++y)
    for (int64_t x = 0; x < width; ++x)
      for (int64_t c = 0; c < channels; ++c)
        *out++ = static_cast<uint8_t>(7 * x + 13 * y + 29 * c + 5 * ((x * y) >> 3) + 3 * (x ^ y) + 90 * (((x / 5) + (y / 3) + c) % 3));
  return frames;
}

struct JpegOptions {
  int horizontal = 1, vertical = 1;  // luma samples per chroma sample
  int quality = 90;
  bool progressive = false, arithmetic = false;
  int restart_rows = 0;
  bool two_scans = false;  // progressive: one scan for the means of the blocks, one for everything else
  bool adobe = true;       // of four components: the marker, which says how they are to be read
};

/// Of 1 (grey), 3 (RGB) or 4 (CMYK) channels.
inline std::string encode_jpeg(const Frames& frames, const JpegOptions& options = {}) {
  jpeg_compress_struct info{};
  jpeg_error_mgr errors{};
  info.err = jpeg_std_error(&errors);  // prints and ends the process
  jpeg_create_compress(&info);
  unsigned char* bytes = nullptr;
  unsigned long size = 0;
  jpeg_mem_dest(&info, &bytes, &size);
  const auto& shape = frames.shape();
  info.image_height = static_cast<JDIMENSION>(shape.height);
  info.image_width = static_cast<JDIMENSION>(shape.width);
  info.input_components = static_cast<int>(shape.channels);
  info.in_color_space = shape.channels == 1 ? JCS_GRAYSCALE : shape.channels == 3 ? JCS_RGB : JCS_CMYK;
  jpeg_set_defaults(&info);
  jpeg_set_quality(&info, options.quality, TRUE);
  if (shape.channels == 4 && options.adobe) jpeg_set_colorspace(&info, JCS_YCCK);
  if (shape.channels == 4 && !options.adobe) info.write_Adobe_marker = FALSE;
  info.comp_info[0].h_samp_factor = options.horizontal;
  info.comp_info[0].v_samp_factor = options.vertical;
  if (options.progressive) jpeg_simple_progression(&info);
  static const jpeg_scan_info scans[] = {{1, {0}, 0, 0, 0, 0}, {1, {0}, 1, 63, 0, 0}};
  if (options.two_scans) {
    info.scan_info = scans;
    info.num_scans = 2;
  }
  info.arith_code = options.arithmetic;
  info.restart_in_rows = options.restart_rows;
  jpeg_start_compress(&info, TRUE);
  while (info.next_scanline < info.image_height) {
    JSAMPROW row = const_cast<uint8_t*>(frames.u8()) + info.next_scanline * shape.width * shape.channels;
    jpeg_write_scanlines(&info, &row, 1);
  }
  jpeg_finish_compress(&info);
  jpeg_destroy_compress(&info);
  std::string result(reinterpret_cast<char*>(bytes), size);
  std::free(bytes);
  return result;
}

}  // namespace liere::test
