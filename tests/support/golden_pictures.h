// Pictures from golden files, and the count of what was compared.
#pragma once

#include <cstdio>
#include <cstring>
#include <optional>
#include <string>
#include <vector>

#include "core/safetensors.h"
#include "data/sample.h"
#include "support/catch.h"
#include "support/fixtures.h"
#include "support/sha256.h"

namespace liere::test {

/// A golden file of that name in the golden folder or in tests/golden; says so and gives nothing where it is absent.
inline std::optional<safetensors::File> open_golden(const std::string& name) {
  for (const auto& folder : {golden_folder(), std::filesystem::path(LIERE_SOURCE_DIR) / "tests/golden"})
    if (std::filesystem::exists(folder / name)) return safetensors::File::open(folder / name);
  std::printf("skipped: %s is not in %s\n", name.c_str(), golden_folder().c_str());
  return std::nullopt;
}

template <class T>
std::vector<T> values(const safetensors::File& file, const std::string& name) {
  const auto bytes = file.data(name);
  std::vector<T> result(bytes.size() / sizeof(T));
  std::memcpy(result.data(), bytes.data(), bytes.size());
  return result;
}

/// The picture [H, W, 3], or entry `index` of [k, H, W, 3].
inline Frames picture(const safetensors::File& file, const std::string& name, int64_t index = 0) {
  const auto& shape = file.info(name).shape;
  const size_t at = shape.size() - 3;
  Frames frames(PixelType::kU8, {1, shape[at], shape[at + 1], shape[at + 2]});
  const auto bytes = file.data(name);
  REQUIRE(bytes.size() >= (index + 1) * frames.size_bytes());
  std::memcpy(frames.u8(), bytes.data() + index * frames.size_bytes(), frames.size_bytes());
  return frames;
}

/// Bytes that differ; all of them when the shapes do.
inline int64_t mismatches(const Frames& found, const Frames& expected) {
  if (found.shape() != expected.shape() || found.type() != expected.type()) return std::max(found.shape().elements(), expected.shape().elements());
  int64_t count = 0;
  for (int64_t i = 0; i < expected.shape().elements(); ++i) count += found.u8()[i] != expected.u8()[i];
  return count;
}

/// Every entry of "<key>.<suffix>" is named by what stands between "in." and the end.
inline std::vector<std::string> picture_names(const safetensors::File& file, const std::string& prefix) {
  std::vector<std::string> names;
  for (const auto& [name, info] : file.tensors())
    if (name.starts_with(prefix)) names.push_back(name.substr(prefix.size()));
  return names;
}

/// Compares pictures, then prints "name: N pictures, M mismatching bytes" and requires M = 0 and N > 0.
class Comparison {
 public:
  explicit Comparison(std::string name) : name_(std::move(name)) {}
  void add(const std::string& what, const Frames& found, const Frames& expected) {
    const int64_t different = mismatches(found, expected);
    ++pictures_;
    bytes_ += different;
    INFO(name_ << ": " << what);
    CHECK(different == 0);
  }
  void add_digest(const std::string& what, const Frames& found, const std::vector<uint8_t>& expected) {
    const auto digest = sha256(found.u8(), found.size_bytes());
    ++digests_;
    INFO(name_ << ": " << what);
    CHECK(std::vector<uint8_t>(digest.begin(), digest.end()) == expected);
  }
  void finish() const {
    std::printf("%s: %lld pictures, %lld mismatching bytes", name_.c_str(), static_cast<long long>(pictures_), static_cast<long long>(bytes_));
    std::printf(digests_ ? ", %lld digests of whole pictures\n" : "\n", static_cast<long long>(digests_));
    REQUIRE(pictures_ > 0);
    REQUIRE(bytes_ == 0);
  }

 private:
  std::string name_;
  int64_t pictures_ = 0, bytes_ = 0, digests_ = 0;
};

}  // namespace liere::test
