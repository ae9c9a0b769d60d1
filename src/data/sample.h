// Raw pictures, clips and volumes between decoding and the model: [T, H, W, C] contiguous; an image has T = 1.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace liere {

enum class PixelType { kU8, kI16, kF32 };
constexpr size_t size_of(PixelType type) { return type == PixelType::kU8 ? 1 : type == PixelType::kI16 ? 2 : 4; }

struct FrameShape {
  int64_t frames = 1, height = 0, width = 0, channels = 3;
  int64_t elements() const { return frames * height * width * channels; }
  bool operator==(const FrameShape&) const = default;
};

struct Box {
  int64_t top = 0, left = 0, height = 0, width = 0;
  bool operator==(const Box&) const = default;
};

/// Owning pixel storage. u8 is RGB 0..255.
class Frames {
 public:
  Frames() = default;
  Frames(PixelType type, FrameShape shape) : type_(type), shape_(shape), bytes_(shape.elements() * size_of(type)) {}

  PixelType type() const { return type_; }
  const FrameShape& shape() const { return shape_; }
  uint8_t* u8() { return reinterpret_cast<uint8_t*>(bytes_.data()); }
  const uint8_t* u8() const { return reinterpret_cast<const uint8_t*>(bytes_.data()); }
  int16_t* i16() { return reinterpret_cast<int16_t*>(bytes_.data()); }
  const int16_t* i16() const { return reinterpret_cast<const int16_t*>(bytes_.data()); }
  float* f32() { return reinterpret_cast<float*>(bytes_.data()); }
  const float* f32() const { return reinterpret_cast<const float*>(bytes_.data()); }
  size_t size_bytes() const { return bytes_.size(); }

 private:
  PixelType type_ = PixelType::kU8;
  FrameShape shape_;
  std::vector<std::byte> bytes_;
};

}  // namespace liere
