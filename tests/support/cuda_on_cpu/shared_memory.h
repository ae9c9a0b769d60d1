// Shared memory as the emulation sees it: every access stays inside the block's bytes, and is recorded so that races show. Two threads that touch the
// same bytes, one of them writing, must have a __syncthreads between them or, in one warp, a __syncwarp; a shuffle does not order memory. An access
// through [] is a read or a write as it stands. raw() of constants is a read; other raw() is a read, and a write of the bytes that have changed when
// the thread next waits: a write of what was there already stays unseen. Single bytes are not recorded (a record covers two), nor is global memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <type_traits>

namespace liere {
namespace emulator {

unsigned char* shared_begin();
unsigned char* shared_end();
[[noreturn]] void fail(const std::string& what);

/// Records of what the running thread does with shared memory; each throws std::runtime_error at a race, or where a copy_async is under way. `whole`:
/// bytes that nobody has written are an error too.
void shared_read(const void* at, size_t bytes, bool whole);
void shared_write(const void* at, size_t bytes);
void shared_atomic(const void* at, size_t bytes);
/// Hands out an address through which the thread may read and write until it next waits.
void shared_lend(const void* at, size_t bytes);
/// A copy of 16 bytes that begins now and arrives at the wait.
void begin_copy(void* shared, const void* global);
void commit_copies();
void wait_for_copies(int newest);
/// Fails unless the address is a multiple of `alignment`.
void check_alignment(const void* at, size_t alignment, const char* what);

}  // namespace emulator

template <class T>
class SharedPointer;

namespace emulator {

/// What p[i] is: it reads when converted and writes when assigned to. It has no name of its own: `auto x = p[i]` does not compile for scalars, write
/// the type.
template <class T, bool kClass = std::is_class_v<T>>
class Element {
 public:
  explicit Element(T* at) : at_(at) {}
  Element(const Element&) = delete;
  operator T() const&& {
    shared_read(at_, sizeof(T), true);
    return *at_;
  }
  T operator=(T value) && {
    shared_write(at_, sizeof(T));
    return *at_ = value;
  }
  T operator=(Element&& other) && { return std::move(*this) = static_cast<T>(std::move(other)); }
  T operator+=(T value) && {
    return change([value](T& x) { x += value; });
  }
  T operator-=(T value) && {
    return change([value](T& x) { x -= value; });
  }
  T operator*=(T value) && {
    return change([value](T& x) { x *= value; });
  }
  T operator/=(T value) && {
    return change([value](T& x) { x /= value; });
  }
  T operator|=(T value) && {
    return change([value](T& x) { x |= value; });
  }
  T operator&=(T value) && {
    return change([value](T& x) { x &= value; });
  }
  T operator^=(T value) && {
    return change([value](T& x) { x ^= value; });
  }
  T operator++() && {
    return change([](T& x) { ++x; });
  }
  T operator--() && {
    return change([](T& x) { --x; });
  }
  SharedPointer<T> operator&() && { return SharedPointer<T>(at_); }

 private:
  template <class F>
  T change(F f) {
    shared_read(at_, sizeof(T), true);
    shared_write(at_, sizeof(T));
    f(*at_);
    return *at_;
  }
  T* at_;
};
/// Of a class: a copy of the value, so that members can be read.
template <class T>
class Element<T, true> : public T {
 public:
  explicit Element(T* at) : T((shared_read(at, sizeof(T), false), *at)), at_(at) {}
  Element(const Element&) = delete;
  void operator=(const T& value) && {
    shared_write(at_, sizeof(T));
    *at_ = value;
  }
  void operator=(Element&& other) && { std::move(*this) = static_cast<const T&>(other); }
  SharedPointer<T> operator&() && { return SharedPointer<T>(at_); }

 private:
  T* at_;
};
template <class T>
struct ElementOf {
  using Type = Element<T>;
  static Type at(T* p) { return Type(p); }
};
template <class T>
struct ElementOf<const T> {
  using Type = T;
  static T at(const T* p) {
    shared_read(p, sizeof(T), !std::is_class_v<T>);
    return *p;
  }
};

}  // namespace emulator

/// A pointer into the block's shared memory that refuses to leave it.
template <class T>
class SharedPointer {
 public:
  using Place = emulator::ElementOf<T>;
  explicit SharedPointer(T* pointer) : pointer_(pointer) {}
  template <class U>
  SharedPointer(const SharedPointer<U>& other) : pointer_(other.address()) {}
  typename Place::Type operator[](int64_t i) const { return Place::at(checked(pointer_ + i, 1)); }
  typename Place::Type operator*() const { return Place::at(checked(pointer_, 1)); }
  SharedPointer operator+(int64_t n) const { return SharedPointer(pointer_ + n); }
  SharedPointer operator-(int64_t n) const { return SharedPointer(pointer_ - n); }
  SharedPointer& operator+=(int64_t n) {
    pointer_ += n;
    return *this;
  }
  SharedPointer& operator-=(int64_t n) {
    pointer_ -= n;
    return *this;
  }
  T* checked(T* p, int64_t count) const {
    const auto* begin = reinterpret_cast<const unsigned char*>(p);
    if (begin < emulator::shared_begin() || begin + count * static_cast<int64_t>(sizeof(T)) > emulator::shared_end())
      emulator::fail("shared memory: an access at byte " + std::to_string(begin - emulator::shared_begin()) + " of " +
                     std::to_string(emulator::shared_end() - emulator::shared_begin()));
    return p;
  }
  T* address() const { return pointer_; }
  /// The same place as elements of another type.
  template <class U>
  SharedPointer<U> as() const {
    return SharedPointer<U>(reinterpret_cast<U*>(pointer_));
  }

 private:
  T* pointer_;
};

template <class U, class T>
SharedPointer<U> shared_as(SharedPointer<T> pointer) {
  return pointer.template as<U>();
}

/// As vector accesses of `count` elements need it, the address must be aligned to the largest power of two, up to 16, that divides their bytes.
template <class T>
T* raw(SharedPointer<T> pointer, int count) {
  T* at = pointer.checked(pointer.address(), count);
  const size_t bytes = static_cast<size_t>(count) * sizeof(T), whole = bytes & (~bytes + 1);
  emulator::check_alignment(at, whole < 16 ? whole : 16, "an address for vectors");
  if constexpr (std::is_const_v<T>)
    emulator::shared_read(at, bytes, false);
  else
    emulator::shared_lend(at, bytes);
  return at;
}

template <class T>
void copy_async(SharedPointer<T> shared, const T* global) {
  T* at = shared.checked(shared.address(), 16 / sizeof(T));
  emulator::check_alignment(at, 16, "copy_async into shared memory");
  emulator::check_alignment(global, 16, "copy_async from global memory");
  emulator::begin_copy(at, global);
}
inline void copy_async_commit() { emulator::commit_copies(); }
template <int n>
void copy_async_wait() {
  emulator::wait_for_copies(n);
}

namespace emulator {
template <class T>
SharedPointer<T> dynamic_shared() {
  return SharedPointer<T>(reinterpret_cast<T*>(shared_begin()));
}
}  // namespace emulator

}  // namespace liere
