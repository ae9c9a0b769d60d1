// The safetensors format: u64 little-endian header length, JSON header, raw little-endian row-major data.
// Files are validated before anything is used: length, 16 MiB header, dtype, shape overflow, overlaps, holes, duplicate names, trailing bytes.
// Interchangeable with Python's safetensors both ways. Knows nothing of torch: tensors are bytes with a dtype and a shape.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace liere::safetensors {

enum class Dtype { kBool, kU8, kI8, kI16, kU16, kI32, kU32, kI64, kU64, kF16, kBF16, kF32, kF64 };
size_t size_of(Dtype dtype);
std::string_view name_of(Dtype dtype);  // "F32", ...

struct TensorInfo {
  Dtype dtype;
  std::vector<int64_t> shape;  // [] is a scalar
  uint64_t begin = 0, end = 0;  // byte offsets from the end of the header
};

/// A validated file, mapped read-only for the object's life.
class File {
 public:
  /// Throws CheckpointError naming the path and what is wrong. A pickle or zip is refused by its magic with the remedy.
  static File open(const std::filesystem::path& path);
  const std::map<std::string, std::string>& metadata() const;
  const std::map<std::string, TensorInfo>& tensors() const;
  bool contains(const std::string& name) const;
  const TensorInfo& info(const std::string& name) const;  // throws CheckpointError naming the missing tensor
  std::span<const std::byte> data(const std::string& name) const;
  /// The 8 length bytes and the JSON header as stored (for digests).
  std::span<const std::byte> header_bytes() const;

 private:
  struct Mapping;
  std::shared_ptr<const Mapping> mapping_;
};

struct TensorView {
  std::string name;
  Dtype dtype;
  std::vector<int64_t> shape;
  std::span<const std::byte> data;
};

/// The 8 length bytes and header (padded with spaces to a multiple of 8) that `write` would put before the data. Tensors are stored in the given order.
std::string header(const std::vector<TensorView>& tensors, const std::map<std::string, std::string>& metadata);

/// Writes atomically: a temporary file beside `path`, fsync, rename, fsync of the folder. On failure the old file is intact and the temporary is gone.
/// Throws CheckpointError with errno's text.
void write(const std::filesystem::path& path, const std::vector<TensorView>& tensors, const std::map<std::string, std::string>& metadata);
/// Gives the finished, synchronised temporary file its name by calling `rename`, or throws and so discards it.
using Publish = std::function<void(const std::filesystem::path& temporary, const std::function<void()>& rename)>;
/// The same with a ready header (from `header`, possibly with digests filled in).
void write(const std::filesystem::path& path, const std::string& header, const std::vector<TensorView>& tensors, const Publish& publish = {});

}  // namespace liere::safetensors
