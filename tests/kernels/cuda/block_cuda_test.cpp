// The GPU's block kernels, executed on the CPU, against the CPU's own: values, masks, sums over rows.
#include <cmath>
#include <cstdlib>
#include <vector>

#include "models/kernels/cuda_device.h"
#include "models/kernels/device_kernels.h"
#include "support/catch.h"
#undef threadIdx
#undef blockIdx
#undef blockDim
#undef gridDim

namespace liere {
namespace {

constexpr int64_t kTokens = 19, kSamples = 5, kRows = kTokens * kSamples;  // neither full chunks nor full blocks of threads

double number(double x) { return x; }
double number(Bfloat16Bits x) { return widen(x); }

/// Memory as a GPU's allocator gives it: 16-byte aligned.
template <class T>
struct Array {
  explicit Array(size_t count, double poison = std::nan("")) : data(static_cast<T*>(std::aligned_alloc(64, (count * sizeof(T) + 63) / 64 * 64))), count(count) {
    for (size_t i = 0; i < count; ++i) data[i] = narrowed(poison);
  }
  Array(const Array& other) : Array(other.count) { memcpy(data, other.data, count * sizeof(T)); }
  Array& operator=(const Array&) = delete;
  ~Array() { std::free(data); }
  static T narrowed(double x) {
    if constexpr (std::is_integral_v<T>) return static_cast<T>(x == x ? x : 0x5a);
    else return narrow<T>(static_cast<float>(x));
  }
  T* data;
  size_t count;
};

template <class T>
Array<T> values(int64_t count, double scale, double phase) {
  Array<T> x(static_cast<size_t>(count));
  for (int64_t i = 0; i < count; ++i) x.data[i] = Array<T>::narrowed(scale * std::sin(std::pow(0.7 * static_cast<double>(i) + phase, 1.5)));
  return x;
}

/// Largest difference over the largest value.
template <class T>
double difference(const Array<T>& found, const Array<T>& expected) {
  double most = 0, size = 0;
  for (size_t i = 0; i < found.count; ++i) {
    const double d = std::abs(number(found.data[i]) - number(expected.data[i]));
    most = d <= most ? most : d;  // NaN stays
    size = std::max(size, std::abs(number(expected.data[i])));
  }
  return most / size;
}
template <class T>
bool same(const Array<T>& a, const Array<T>& b) {
  return memcmp(a.data, b.data, a.count * sizeof(T)) == 0;
}

template <class T>
const DeviceBlockKernels<T>& device() {
  if constexpr (std::is_same_v<T, float>) return cuda_kernels().block_float;
  else return cuda_kernels().block_bfloat16;
}
/// A rounding of T, or the sums of float32.
template <class T>
constexpr double kTolerance = std::is_same_v<T, float> ? 3e-6 : 0x1p-8;

struct Mask {
  Mask(int64_t width, bool consecutive) : bits(static_cast<size_t>(kRows * width / 16)), consecutive(consecutive) {}
  MaskPlan plan() {
    MaskPlan p;
    p.bits = bits.data;
    p.tokens = kTokens;
    p.slots = consecutive ? nullptr : slots;
    p.first_slot = 7;
    p.step = 3;
    p.site = 11;
    p.key = 0xfedcba9876543210;
    p.threshold = 0x40000000;
    p.scale = 4.0f / 3;
    return p;
  }
  Array<uint16_t> bits;
  bool consecutive;
  int64_t slots[kSamples] = {7, 3, 90, 14, 15};
};

/// The sums of all chunks.
Array<float> total(const Array<float>& sums, int64_t width, bool on_device) {
  Array<float> out(static_cast<size_t>(width));
  const auto chunks = static_cast<int64_t>(sums.count) / width;
  if (on_device) REQUIRE(cuda_kernels().add_chunks(sums.data, chunks, width, out.data, nullptr) == 0);
  else add_chunks(sums.data, chunks, width, out.data);
  return out;
}

template <class T>
struct Norm {
  explicit Norm(int64_t width) : weight(values<float>(width, 1, 0.3)), bias(values<float>(width, 1, 0.9)), mean(kRows), rstd(kRows) {}
  NormPlan plan() { return {weight.data, bias.data, 1e-5f, mean.data, rstd.data}; }
  Array<float> weight, bias, mean, rstd;
};

template <class T>
void check_add_norm(int64_t width, bool branch, bool norm, bool dropped) {
  INFO(sizeof(T) << " bytes, width " << width << ", branch " << branch << ", norm " << norm << ", dropout " << dropped);
  const auto size = static_cast<size_t>(kRows * width);
  const auto x = values<float>(kRows * width, 2, 0.1);
  const auto a = values<T>(kRows * width, 1, 0.2), dnormed = values<T>(kRows * width, 1, 0.5);
  const auto bias = values<float>(width, 1, 0.4), dy = values<float>(kRows * width, 1, 0.6);
  struct Result {
    Array<float> y, dx;
    Array<T> normed, dbranch;
    Norm<T> norm;
    Mask mask;
    Array<float> dweight, dbias, dbranch_bias;
    Result(size_t size, int64_t width, int64_t chunks)
        : y(size), dx(size), normed(size), dbranch(size), norm(width), mask(width, width % 32 == 0), dweight(static_cast<size_t>(chunks * width)), dbias(dweight.count), dbranch_bias(dweight.count) {}
  };
  const auto run = [&](bool on_device, Result& r) {
    AddNormForward<T> f{.rows = kRows, .width = width, .x = x.data};
    if (branch) f.branch = a.data, f.branch_bias = bias.data, f.y = r.y.data;
    if (dropped) f.mask = r.mask.plan();
    if (norm) f.normed = r.normed.data, f.norm = r.norm.plan();
    on_device ? void(device<T>().add_norm(f, nullptr)) : block_kernels<T>().add_norm(f, 0, chunks_of(kRows));
    AddNormBackward<T> b{.rows = kRows, .width = width, .dy = dy.data};
    if (norm) b.dnormed = dnormed.data, b.y = branch ? r.y.data : x.data, b.norm = r.norm.plan(), b.dx = r.dx.data, b.dweight = r.dweight.data, b.dbias = r.dbias.data;
    if (branch) b.dbranch = r.dbranch.data, b.dbranch_bias = r.dbranch_bias.data;
    if (dropped) b.mask = r.mask.plan();
    on_device ? void(device<T>().add_norm_backward(b, nullptr)) : block_kernels<T>().add_norm_backward(b, 0, chunks_of(kRows));
  };
  Result expected(size, width, chunks_of(kRows)), found(size, width, device_chunks_of(kRows)), again(size, width, device_chunks_of(kRows));
  run(false, expected);
  emulator::set_schedule(1);
  run(true, found);
  emulator::set_schedule(2);
  run(true, again);
  if (dropped) CHECK(same(found.mask.bits, expected.mask.bits));
  if (branch) {
    CHECK(difference(found.y, expected.y) <= 0x1p-23);  // a rounding, where products and sums are contracted
    CHECK(difference(found.dbranch, expected.dbranch) <= kTolerance<T>);
    CHECK(difference(total(found.dbranch_bias, width, true), total(expected.dbranch_bias, width, false)) <= 3e-6);
    CHECK(same(found.dbranch, again.dbranch));
    CHECK(same(found.dbranch_bias, again.dbranch_bias));
  }
  if (!norm) return;
  CHECK(difference(found.normed, expected.normed) <= kTolerance<T>);
  CHECK(difference(found.norm.mean, expected.norm.mean) <= 3e-6);
  CHECK(difference(found.norm.rstd, expected.norm.rstd) <= 3e-6);
  CHECK(difference(found.dx, expected.dx) <= 3e-6);
  CHECK(difference(total(found.dweight, width, true), total(expected.dweight, width, false)) <= 3e-6);
  CHECK(difference(total(found.dbias, width, true), total(expected.dbias, width, false)) <= 3e-6);
  CHECK(same(found.dx, again.dx));
  CHECK(same(found.dweight, again.dweight));
}

template <class T>
void check_gelu(int64_t width, bool dropped) {
  INFO(sizeof(T) << " bytes, width " << width << ", dropout " << dropped);
  const auto size = static_cast<size_t>(kRows * width);
  const auto a = values<T>(kRows * width, 4, 0.2), dhidden = values<T>(kRows * width, 1, 0.5);
  const auto bias = values<float>(width, 1, 0.4);
  struct Result {
    Array<T> hidden, dbranch;
    Mask mask;
    Array<float> dbias;
  };
  const auto run = [&](bool on_device, Result& r) {
    GeluPlan<T> p{.rows = kRows, .width = width, .branch = a.data, .bias = bias.data};
    if (dropped) p.mask = r.mask.plan();
    p.hidden = r.hidden.data;
    p.dhidden = r.dbranch.data;  // in place
    p.dbranch = r.dbranch.data;
    p.dbias = r.dbias.data;
    memcpy(r.dbranch.data, dhidden.data, size * sizeof(T));
    on_device ? void(device<T>().gelu(p, nullptr)) : block_kernels<T>().gelu(p, 0, chunks_of(kRows));
    on_device ? void(device<T>().gelu_backward(p, nullptr)) : block_kernels<T>().gelu_backward(p, 0, chunks_of(kRows));
  };
  const auto make = [&](int64_t chunks) { return Result{Array<T>(size), Array<T>(size), Mask(width, width % 32 == 0), Array<float>(static_cast<size_t>(chunks * width))}; };
  Result expected = make(chunks_of(kRows)), found = make(device_chunks_of(kRows));
  run(false, expected);
  run(true, found);
  if (dropped) CHECK(same(found.mask.bits, expected.mask.bits));
  CHECK(difference(found.hidden, expected.hidden) <= kTolerance<T>);
  CHECK(difference(found.dbranch, expected.dbranch) <= kTolerance<T>);
  CHECK(difference(total(found.dbias, width, true), total(expected.dbias, width, false)) <= (std::is_same_v<T, float> ? 3e-6 : 1e-3));  // the sums are of rounded values on neither side
}

}  // namespace

TEST_CASE("cuda on cpu: residual, dropout and layer norm are the CPU's, forward and backward") {
  for (const int64_t width : {16, 48, 256, 528, 768, 1024, 1280}) {
    check_add_norm<float>(width, true, true, true);
    check_add_norm<Bfloat16Bits>(width, true, true, width != 256);
  }
  check_add_norm<float>(768, false, true, false);
  check_add_norm<float>(768, true, false, true);
  check_add_norm<Bfloat16Bits>(768, false, true, false);
  check_add_norm<Bfloat16Bits>(768, true, false, true);
}

TEST_CASE("cuda on cpu: GELU with dropout is the CPU's, forward and backward") {
  for (const int64_t width : {16, 48, 256, 528, 3072}) {
    check_gelu<float>(width, true);
    check_gelu<Bfloat16Bits>(width, width != 256);
  }
}

TEST_CASE("cuda on cpu: the block kernels serve rows of up to 1,280 elements in whole words of a mask") {
  for (const int64_t width : {16, 768, 1280}) CHECK(device<float>().serves(width));
  for (const int64_t width : {0, 8, 24, 1296, 4096}) CHECK_FALSE(device<float>().serves(width));
}

}  // namespace liere
