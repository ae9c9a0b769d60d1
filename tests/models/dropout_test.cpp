// Counter-based dropout against its scalar definition, bit for bit, and the invariances it exists for.
#include "models/dropout.h"

#include <ATen/Parallel.h>

#include <atomic>
#include <cmath>
#include <cstring>

#include "core/check.h"
#include "models/kernels/dropout.h"
#include "support/catch.h"

using namespace liere;

namespace {

constexpr int64_t kLayer = 3;
constexpr auto kSite = DropoutSite::kMlpHidden;

// The definition, one element at a time: the same function as in models/dropout.h, through core/rng.h alone.
bool kept(const DropoutKey& key, int64_t row, int64_t element, int64_t layer, DropoutSite site, double p) {
  const uint64_t stream = stream_key(key.seed, Purpose::kDropout);
  const auto slot = static_cast<uint32_t>(key.slots_B.data_ptr<int64_t>()[row]);
  const auto block =
      philox4x32({uint32_t(key.step), slot, uint32_t(layer * 8 + int64_t(site)), uint32_t(element / 4)}, {uint32_t(stream), uint32_t(stream >> 32)});
  return block[element % 4] >= p * 4294967296.0;
}

template <class T>
torch::Tensor reference(const torch::Tensor& x, double p, const DropoutKey& key, int64_t layer = kLayer, DropoutSite site = kSite) {
  using Factor = std::conditional_t<std::is_same_v<T, double>, double, float>;
  auto y = torch::empty_like(x);
  const int64_t elements = x.numel() / x.size(0);
  const T* in = x.data_ptr<T>();
  T* out = y.template data_ptr<T>();
  for (int64_t i = 0; i < x.numel(); ++i) {
    const Factor factor = kept(key, i / elements, i % elements, layer, site, p) ? static_cast<Factor>(1.0 / (1.0 - p)) : Factor{0};
    out[i] = static_cast<T>(static_cast<Factor>(in[i]) * factor);
  }
  return y;
}

// Values of both signs over several binades, without any generator.
torch::Tensor values(at::IntArrayRef shape, torch::Dtype type) {
  const int64_t n = c10::multiply_integers(shape);
  return (torch::arange(1, n + 1, torch::kFloat64).mul(0.7548776662466927).frac().sub(0.37) * 8).reshape(shape).to(type);
}

DropoutKey make_key(std::vector<int64_t> slots, int64_t step = 11, uint64_t seed = 5) { return {seed, step, torch::tensor(slots, torch::kInt64)}; }

// Equality of bits; torch::equal takes -0 for 0.
bool same_bits(const torch::Tensor& a, const torch::Tensor& b) {
  return a.sizes() == b.sizes() && a.dtype() == b.dtype() && std::memcmp(a.contiguous().data_ptr(), b.contiguous().data_ptr(), a.nbytes()) == 0;
}

struct Threads {
  explicit Threads(int n) : before(at::get_num_threads()) { at::set_num_threads(n); }
  ~Threads() { at::set_num_threads(before); }
  int before;
};

}  // namespace

TEST_CASE("dropout has the bits of its definition", "[dropout]") {
  const auto key = make_key({7, 0, 1000000, 3000000000});  // not consecutive; beyond 2^31
  for (const int64_t elements : {1, 3, 4, 5, 63, 1023, 1024, 1025, 2051, 5000})
    for (const double p : {0.1, 0.5, 0.9}) {
      INFO("elements " << elements << " p " << p);
      CHECK(same_bits(counter_dropout(values({4, elements}, torch::kFloat32), p, key, kLayer, kSite),
                      reference<float>(values({4, elements}, torch::kFloat32), p, key)));
      CHECK(same_bits(counter_dropout(values({4, elements}, torch::kFloat64), p, key, kLayer, kSite),
                      reference<double>(values({4, elements}, torch::kFloat64), p, key)));
      CHECK(same_bits(counter_dropout(values({4, elements}, torch::kBFloat16), p, key, kLayer, kSite),
                      reference<at::BFloat16>(values({4, elements}, torch::kBFloat16), p, key)));
    }
}

TEST_CASE("dropout with consecutive slots and a strided input", "[dropout]") {
  const auto key = make_key({4, 5, 6});
  const auto x = values({3, 17, 9}, torch::kFloat32);
  CHECK(same_bits(counter_dropout(x, 0.3, key, kLayer, kSite), reference<float>(x, 0.3, key)));
  const auto strided = x.transpose(1, 2);
  CHECK(same_bits(counter_dropout(strided, 0.3, key, kLayer, kSite), reference<float>(strided.contiguous(), 0.3, key)));
}

TEST_CASE("dropout does not depend on threads or on the split into micro-batches", "[dropout]") {
  const auto x = values({12, 82, 128}, torch::kFloat32);
  const auto key = make_key({0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11});
  torch::Tensor one;
  {
    const Threads threads(1);
    one = counter_dropout(x, 0.1, key, kLayer, kSite);
  }
  for (const int n : {2, 3}) {
    const Threads threads(n);
    CHECK(same_bits(counter_dropout(x, 0.1, key, kLayer, kSite), one));
  }
  for (const int64_t micro : {1, 4, 5}) {
    std::vector<torch::Tensor> parts;
    for (int64_t first = 0; first < 12; first += micro) {
      const int64_t last = std::min<int64_t>(first + micro, 12);
      parts.push_back(counter_dropout(x.slice(0, first, last), 0.1, {key.seed, key.step, key.slots_B.slice(0, first, last)}, kLayer, kSite));
    }
    INFO("micro-batch " << micro);
    CHECK(same_bits(torch::cat(parts), one));
  }
  // Rows in another order, each with its slot.
  CHECK(same_bits(counter_dropout(x.flip(0), 0.1, {key.seed, key.step, key.slots_B.flip(0).contiguous()}, kLayer, kSite), one.flip(0)));
}

TEST_CASE("dropout keeps the fraction 1 - p, independently per step, seed, slot, layer and site", "[dropout]") {
  const auto x = torch::ones({8, 25000});
  const auto mask = [&](const DropoutKey& key, int64_t layer, DropoutSite site, double p) { return counter_dropout(x, p, key, layer, site) != 0; };
  const auto base = make_key({0, 1, 2, 3, 4, 5, 6, 7});
  for (const double p : {0.1, 0.5, 0.75}) {
    const double rate = mask(base, kLayer, kSite, p).to(torch::kFloat64).mean().item<double>();
    CHECK(std::abs(rate - (1 - p)) < 5 * std::sqrt(p * (1 - p) / x.numel()));  // five standard deviations
  }
  const auto first = mask(base, kLayer, kSite, 0.5);
  const auto unrelated = [&](const torch::Tensor& other) {
    const double agreement = (first == other).to(torch::kFloat64).mean().item<double>();
    return std::abs(agreement - 0.5) < 5 * std::sqrt(0.25 / x.numel());
  };
  CHECK(unrelated(mask(make_key({0, 1, 2, 3, 4, 5, 6, 7}, 12), kLayer, kSite, 0.5)));
  CHECK(unrelated(mask(make_key({0, 1, 2, 3, 4, 5, 6, 7}, 11, 6), kLayer, kSite, 0.5)));
  CHECK(unrelated(mask(make_key({8, 9, 10, 11, 12, 13, 14, 15}), kLayer, kSite, 0.5)));
  CHECK(unrelated(mask(base, kLayer + 1, kSite, 0.5)));
  CHECK(unrelated(mask(base, kLayer, DropoutSite::kMlpOut, 0.5)));
  CHECK(unrelated(first.flip(0)));
}

TEST_CASE("the backward of dropout draws the mask of the forward", "[dropout]") {
  const auto key = make_key({9, 2, 30});
  for (const auto type : {torch::kFloat64, torch::kFloat32, torch::kBFloat16}) {
    auto x = torch::ones({3, 7, 11}, type).requires_grad_();
    const auto y = counter_dropout(x, 0.25, key, kLayer, kSite);
    y.backward(torch::ones_like(y));
    CHECK(same_bits(x.grad(), y.detach()));
  }
}

TEST_CASE("the gradient of dropout is its finite difference", "[dropout]") {
  const auto key = make_key({1, 4});
  auto x = values({2, 3, 5}, torch::kFloat64).requires_grad_();
  const auto weight = values({2, 3, 5}, torch::kFloat64).add(0.1);
  const auto loss = [&](const torch::Tensor& x) { return (counter_dropout(x, 0.4, key, kLayer, kSite).pow(2) * weight).sum(); };
  const auto gradient = torch::autograd::grad({loss(x)}, {x}, {}, true, true)[0];
  // Central differences of a quadratic function are exact up to rounding.
  const double h = 1.0 / 1024;
  for (int64_t i = 0; i < x.numel(); ++i) {
    auto shift = torch::zeros({x.numel()}, torch::kFloat64);
    shift[i] = h;
    const auto at = x.detach(), delta = shift.reshape(x.sizes());
    const double expected = ((loss(at + delta) - loss(at - delta)) / (2 * h)).item<double>();
    CHECK(gradient.flatten()[i].item<double>() == Approx(expected).epsilon(1e-9).margin(1e-9));
  }
  // The second derivative passes through the same mask: d2/dx2 of sum w (m x)^2 = 2 w m^2.
  const auto second = torch::autograd::grad({gradient.sum()}, {x})[0];
  const auto m = counter_dropout(torch::ones_like(x).detach(), 0.4, key, kLayer, kSite);
  CHECK(torch::allclose(second, 2 * weight * m * m, 1e-12, 0));
}

TEST_CASE("dropout is the identity at evaluation and for p = 0, passes NaN on, and says what is wrong", "[dropout]") {
  const auto x = values({2, 6}, torch::kFloat32);
  const auto key = make_key({0, 1});
  CHECK(counter_dropout(x, 0.5, {}, 0, DropoutSite::kEmbedding).is_same(x));
  CHECK(counter_dropout(x, 0.0, key, 0, DropoutSite::kEmbedding).is_same(x));
  CHECK(counter_dropout(torch::full({2, 100}, NAN, torch::kFloat32), 0.5, key, 0, kSite).isnan().all().item<bool>());
  CHECK(counter_dropout(torch::full({2, 100}, NAN, torch::kBFloat16), 0.5, key, 0, kSite).isnan().all().item<bool>());
  CHECK(counter_dropout(torch::empty({2, 0}), 0.5, key, 0, kSite).numel() == 0);
  CHECK_THROWS_AS(counter_dropout(x, 1.0, key, 0, kSite), ConfigError);
  CHECK_THROWS_AS(counter_dropout(x, -0.1, key, 0, kSite), ConfigError);
  CHECK_THROWS_AS(counter_dropout(x, 0.5, make_key({0}), 0, kSite), ConfigError);
  CHECK_THROWS_AS(counter_dropout(x.to(torch::kInt32), 0.5, key, 0, kSite), ConfigError);
}

TEST_CASE("at::parallel_for is compiled with OpenMP: two threads get two chunks", "[parallel]") {
  const Threads threads(2);
  std::atomic<int> chunks = 0;
  at::parallel_for(0, 1000, 1, [&](int64_t begin, int64_t end) { ++chunks; });
  CHECK(chunks == 2);
}
