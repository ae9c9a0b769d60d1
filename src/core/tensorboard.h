// TensorBoard's event files, without its libraries: records as TFRecord frames them, events as protobuf encodes them by hand.
//   frame   length (u64, little endian), masked crc of the length, payload, masked crc of the payload
//   masked  ((crc >> 15 | crc << 17) + 0xa282ead8), crc = CRC-32C (Castagnoli, polynomial 0x1EDC6F41, reflected)
//   fields  of tensorflow/core/util/event.proto and framework/{summary,tensor}.proto: Event{wall_time 1, step 2, file_version 3, summary 5,
//           session_log 7}, Summary{value 1}, Value{tag 1, simple_value 2, tensor 8, metadata 9}
// Every function returns one framed record; a file is a sequence of them that begins with file_version.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace liere::tensorboard {

uint32_t crc32c(std::string_view bytes);

/// `payload` with length and checksums.
std::string framed(std::string_view payload);

/// `wall_time` in seconds since 1970, here and below.
std::string file_version(double wall_time);

/// A session begins whose first step is `step`: a TensorBoard that is open forgets what it holds of that step and later ones.
std::string session_start(double wall_time, int64_t step);

struct Scalar {
  std::string_view tag;
  double value = 0;              // stored as float
  std::string_view description;  // shown beside the plot; needed once per tag and file
};
std::string scalars(double wall_time, int64_t step, const std::vector<Scalar>& values);

/// `markdown` under `tag` in the tab "Text".
std::string text(double wall_time, int64_t step, std::string_view tag, std::string_view markdown);

}  // namespace liere::tensorboard
