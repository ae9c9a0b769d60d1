// Arrays in "global memory" whose ends a kernel cannot pass unseen: an unreadable page follows the array directly (Guard::kBehind) or precedes it
// (kBefore), and a launch that touches it throws std::runtime_error with block, thread and byte. Behind an array whose bytes are no multiple of
// `alignment` the last bytes before the page can still be read; writes to them show in intact(). On the other side of the array it is the same for up
// to a page.
#pragma once

#include <cstddef>
#include <initializer_list>
#include <type_traits>
#include <utility>
#include <vector>

namespace liere {

enum class Guard { kBehind, kBefore };

namespace emulator {

/// Bytes between two unreadable pages, 0xff at first (NaN, -1).
class GuardedBytes {
 public:
  /// `alignment`: of the array's first byte, a power of two up to 4096.
  GuardedBytes(size_t bytes, size_t alignment, Guard guard);
  GuardedBytes(GuardedBytes&& other) noexcept
      : space_(std::exchange(other.space_, nullptr)), pages_(other.pages_), at_(other.at_), bytes_(other.bytes_) {}
  ~GuardedBytes();
  unsigned char* at() const { return at_; }
  /// Whether the bytes between the array and the pages are as they were.
  bool intact() const;

 private:
  unsigned char* space_;
  size_t pages_;  // bytes between the guards
  unsigned char* at_;
  size_t bytes_;
};

}  // namespace emulator

/// `count` elements, all bits set at first.
template <class T>
class GuardedArray {
 public:
  static_assert(std::is_trivially_copyable_v<T>);
  explicit GuardedArray(size_t count, Guard guard = Guard::kBehind, size_t alignment = 16)
      : bytes_(count * sizeof(T), alignment < alignof(T) ? alignof(T) : alignment, guard), count_(count) {}
  explicit GuardedArray(const std::vector<T>& values, Guard guard = Guard::kBehind, size_t alignment = 16)
      : GuardedArray(values.size(), guard, alignment) {
    for (size_t i = 0; i < count_; ++i) data()[i] = values[i];
  }
  T* data() const { return reinterpret_cast<T*>(bytes_.at()); }
  size_t size() const { return count_; }
  T& operator[](size_t i) const { return data()[i]; }
  T* begin() const { return data(); }
  T* end() const { return data() + count_; }
  bool intact() const { return bytes_.intact(); }

 private:
  emulator::GuardedBytes bytes_;
  size_t count_;
};

}  // namespace liere
