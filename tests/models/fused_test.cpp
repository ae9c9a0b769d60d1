// The fused block against the composed one, and its kernels against float64: values, gradients, masks, threads, recomputation.
#include <ATen/Parallel.h>

#include <cmath>
#include <map>

#include "models/autocast.h"
#include "models/kernels/block_kernels.h"
#include "models/kernels/fused_attention.h"
#include "models/kernels/short_attention.h"
#include "models/vit.h"
#include "support/catch.h"

using namespace liere;

namespace {

torch::Tensor values(at::IntArrayRef shape, double scale, double phase = 0.1) {
  return torch::arange(c10::multiply_integers(shape), torch::kDouble).mul(0.7).add(phase).pow(1.5).sin().mul(scale).view(shape);
}

struct Threads {
  explicit Threads(int n) : before(at::get_num_threads()) { at::set_num_threads(n); }
  ~Threads() { at::set_num_threads(before); }
  int before;
};

double relative(const torch::Tensor& actual, const torch::Tensor& expected) {
  return (actual.to(torch::kDouble) - expected.to(torch::kDouble)).norm().item<double>() / std::max(expected.to(torch::kDouble).norm().item<double>(), 1e-30);
}
double largest(const torch::Tensor& actual, const torch::Tensor& expected) {
  return (actual.to(torch::kDouble) - expected.to(torch::kDouble)).abs().max().item<double>() / expected.to(torch::kDouble).abs().max().item<double>();
}

/// The forms that this processor can run.
template <class T>
std::map<std::string, const BlockKernels<T>*> forms() {
  constexpr bool narrow = std::is_same_v<T, Bfloat16Bits>;
  std::map<std::string, const BlockKernels<T>*> all = {{"chosen", &block_kernels<T>()}};
  if constexpr (narrow) all["baseline"] = &baseline::kBfloat16; else all["baseline"] = &baseline::kFloat;
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2")) {
    if constexpr (narrow) all["avx2"] = &avx2::kBfloat16; else all["avx2"] = &avx2::kFloat;
  }
#endif
  return all;
}

template <class T>
T* data(const torch::Tensor& x) {
  return static_cast<T*>(x.mutable_data_ptr());
}

constexpr int64_t kBatch = 7, kTokens = 19, kWidth = 48, kRows = kBatch * kTokens;  // rows do not fill the last chunk
constexpr double kP = 0.3;

struct Masked {
  DropoutKey key{5, 11, torch::tensor({4, 9, 10, 2, 77, 78, 3}, torch::kInt64)};
  torch::Tensor bits = torch::zeros({kRows, kWidth / 16}, torch::kShort);
  MaskPlan plan() const {
    return {data<uint16_t>(bits), kTokens, key.slots_B.data_ptr<int64_t>(), 0, 11, 3 * 8 + 2, stream_key(5, Purpose::kDropout), static_cast<uint32_t>(std::ceil(kP * 0x1p32)),
            static_cast<float>(1 / (1 - kP))};
  }
  /// 0 or 1 / (1 - p) as the composed form has it.
  torch::Tensor factors() const {
    return counter_dropout(torch::ones({kBatch, kTokens, kWidth}), kP, key, 3, DropoutSite::kMlpHidden).view({kRows, kWidth}).to(torch::kDouble);
  }
};

/// Half a unit in the last place of bfloat16 after float32 arithmetic, or float32's own error.
template <class T>
constexpr double kTolerance = std::is_same_v<T, float> ? 4e-7 : 0x1p-8 * 1.01;

template <class T>
void check_gelu() {
  const auto dtype = std::is_same_v<T, float> ? torch::kFloat : torch::kBFloat16;
  for (const auto& [name, kernels] : forms<T>()) {
    INFO(name);
    const Masked mask;
    const auto a = values({kRows, kWidth}, 5).to(dtype), da = torch::empty_like(a), hidden = torch::empty_like(a), dhidden = values({kRows, kWidth}, 1, 0.4).to(dtype);
    const auto bias = values({kWidth}, 1).to(torch::kFloat), dbias = torch::empty({chunks_of(kRows), kWidth}), dbias_sum = torch::empty({kWidth});
    const GeluPlan<T> plan{kRows, kWidth, data<T>(a), data<float>(bias), mask.plan(), data<T>(hidden), data<T>(dhidden), data<T>(da), data<float>(dbias)};
    kernels->gelu(plan, 0, chunks_of(kRows));
    kernels->gelu_backward(plan, 0, chunks_of(kRows));
    add_chunks(data<float>(dbias), chunks_of(kRows), kWidth, data<float>(dbias_sum));

    auto u = (a.to(torch::kDouble) + bias.to(torch::kDouble)).requires_grad_();
    const auto expected = at::gelu(u) * mask.factors();
    expected.backward(dhidden.to(torch::kDouble));
    // In float32 the sum a + c is rounded first, and the relative condition of Phi's tail is u^2.
    const auto spread = dtype == torch::kFloat ? expected.abs() * (1 + u.square()) : expected.abs();
    CHECK(((hidden.to(torch::kDouble) - expected).abs() <= kTolerance<T> * (spread + 1e-2)).all().template item<bool>());
    CHECK(((da.to(torch::kDouble) - u.grad()).abs() <= kTolerance<T> * (u.grad().abs() + (dtype == torch::kFloat ? 1.0 : 1e-2))).all().template item<bool>());
    CHECK(relative(dbias_sum, u.grad().sum(0)) < 1e-6);
    CHECK(torch::equal(hidden.to(torch::kDouble) != 0, expected != 0));  // the masks, bit for bit
  }
}

template <class T>
void check_add_norm() {
  const auto dtype = std::is_same_v<T, float> ? torch::kFloat : torch::kBFloat16;
  for (const auto& [name, kernels] : forms<T>()) {
    INFO(name);
    const Masked mask;
    const auto f = [](const torch::Tensor& x) { return x.to(torch::kFloat); };
    const auto x = f(values({kRows, kWidth}, 3)), a = values({kRows, kWidth}, 2, 0.3).to(dtype), c = f(values({kWidth}, 1)), g = f(values({kWidth}, 1.5, 0.2)), b = f(values({kWidth}, 1, 0.7));
    const auto y = torch::empty_like(x), n = torch::empty_like(a), mean = torch::empty({kRows}), rstd = torch::empty({kRows});
    const NormPlan norm{data<float>(g), data<float>(b), 1e-5f, data<float>(mean), data<float>(rstd)};
    kernels->add_norm({kRows, kWidth, data<float>(x), data<T>(a), data<float>(c), mask.plan(), data<float>(y), data<T>(n), norm}, 0, chunks_of(kRows));
    const auto dy = f(values({kRows, kWidth}, 1, 0.5)), dn = values({kRows, kWidth}, 1, 0.6).to(dtype), dx = torch::empty_like(x), da = torch::empty_like(a);
    std::vector<torch::Tensor> parts, sums;
    for (int i = 0; i < 3; ++i) parts.push_back(torch::empty({chunks_of(kRows), kWidth}));
    kernels->add_norm_backward({kRows, kWidth, data<float>(dy), data<T>(dn), data<float>(y), norm, mask.plan(), data<float>(dx), data<T>(da), data<float>(parts[0]), data<float>(parts[1]),
                                data<float>(parts[2])},
                               0, chunks_of(kRows));
    for (const auto& part : parts) {
      sums.push_back(torch::empty({kWidth}));
      add_chunks(data<float>(part), chunks_of(kRows), kWidth, data<float>(sums.back()));
    }

    std::vector<torch::Tensor> inputs;
    for (const auto& input : {x, a, c, g, b}) inputs.push_back(input.to(torch::kDouble).requires_grad_());
    const auto sum = inputs[0] + (inputs[1] + inputs[2]) * mask.factors();
    const auto normed = at::layer_norm(sum, {kWidth}, inputs[3], inputs[4], 1e-5);
    torch::autograd::backward({sum, normed}, {dy.to(torch::kDouble), dn.to(torch::kDouble)});
    CHECK(largest(y, sum) < 2e-7);
    CHECK(((n.to(torch::kDouble) - normed).abs() <= kTolerance<T> * (normed.abs() + (dtype == torch::kFloat ? 1.0 : 1e-3))).all().template item<bool>());
    CHECK(largest(dx, inputs[0].grad()) < 1e-6);
    CHECK(((da.to(torch::kDouble) - inputs[1].grad()).abs() <= kTolerance<T> * (inputs[1].grad().abs() + (dtype == torch::kFloat ? 3.0 : 1e-3))).all().template item<bool>());
    for (int i = 0; i < 3; ++i) CHECK(relative(sums[static_cast<size_t>(i)], inputs[static_cast<size_t>(2 + i)].grad()) < 1e-6);
    CHECK(torch::equal(da == 0, inputs[1].grad() == 0));
  }
}

VitConfig small(const PositionConfig& position) {
  VitConfig config;
  config.preset = Preset::kCustom;
  config.input_size = {12, 20};
  config.width = 64;
  config.depth = 3;
  config.heads = 2;
  config.mlp = 96;
  config.position = position;
  config.resolve();
  return config;
}

Vit make(const VitConfig& config, torch::Dtype dtype = torch::kFloat) {
  Vit model(config, 5);
  model->initialize(1);
  model->to(dtype);
  return model;
}

/// Logits, and all gradients of a training pass with dropout, by name.
std::map<std::string, torch::Tensor> train(Vit& model, bool fused, bool bf16, bool recompute = false) {
  model->set_fused(fused);
  model->zero_grad();
  const auto input = values({6, 3, 12, 20}, 1).to(model->named_weights()[0].second.scalar_type());
  const auto grid = model->grid({12, 20});
  const auto set = model->position().rotations(grid, true);
  ForwardOptions options;
  options.dropout = DropoutKey{3, 7, torch::tensor({0, 1, 2, 10, 11, 30}, torch::kInt64)};
  options.recompute = recompute;
  torch::Tensor logits;
  {
    AutocastScope autocast(torch::kCPU, bf16);
    logits = model->forward(input, set, options);
  }
  torch::cross_entropy_loss(logits.to(torch::kDouble), torch::arange(6, torch::kLong) % 5).backward();
  model->position().accumulate_gradients(set, grid);
  std::map<std::string, torch::Tensor> result;
  for (const auto& [name, weight] : model->named_weights()) result[name] = weight.grad().clone();
  result["logits"] = logits.detach();
  return result;
}

const std::vector<PositionConfig> kEncodings = {AbsoluteConfig{}, LiereConfig{.block_size = 8}, RopeMixedConfig{}, RopeConfig{}};

bool equal(const std::map<std::string, torch::Tensor>& a, const std::map<std::string, torch::Tensor>& b) {
  for (const auto& [name, value] : a)
    if (!torch::equal(value, b.at(name))) return false;
  return a.size() == b.size();
}

}  // namespace

TEST_CASE("bias, GELU and dropout in one pass equal float64 to one rounding, values, gradients and masks, in every instruction set") {
  check_gelu<float>();
  check_gelu<Bfloat16Bits>();
}

TEST_CASE("bias, dropout, residual and LayerNorm in one pass equal float64 to one rounding, values and gradients, in every instruction set") {
  check_add_norm<float>();
  check_add_norm<Bfloat16Bits>();
}

TEST_CASE("masks of the fused kernels are counter_dropout's, bit for bit, in every instruction set") {
  for (const auto& [name, kernels] : forms<float>()) {
    INFO(name);
    const Masked mask;
    const auto ones = torch::ones({kRows, kWidth}), zeros = torch::zeros({kRows, kWidth}), y = torch::empty({kRows, kWidth});
    kernels->add_norm({kRows, kWidth, data<float>(zeros), data<float>(ones), nullptr, mask.plan(), data<float>(y)}, 0, chunks_of(kRows));
    CHECK(torch::equal(y.to(torch::kDouble), mask.factors()));
    CHECK(mask.factors().ne(0).sum().item<int64_t>() < kRows * kWidth);
  }
}

TEST_CASE("attention of short sequences in bf16 is as near to float64 as torch's, forward and backward") {
  if (!short_attention_serves(65, 64)) {
    WARN("skipped: this processor has no AVX512_BF16");
    return;
  }
  for (const auto& [batch, heads, tokens, dim] : std::vector<std::array<int64_t, 4>>{{3, 2, 65, 64}, {2, 1, 1, 32}, {2, 3, 16, 32}, {1, 2, 197, 64}, {1, 1, 130, 96}}) {
    INFO(tokens << " tokens of " << dim);
    const auto qkv = values({batch, tokens, 3 * heads * dim}, 2).to(torch::kBFloat16), dmixed = values({batch, tokens, heads * dim}, 1, 0.4).to(torch::kBFloat16);
    const auto split = heads_of(qkv, heads);
    const auto attended = attend(split);
    const auto dqkv = heads_backward(attend_backward(split, attended, dmixed), split, LayerRotations());
    // The same through tensors of their own per head.
    const AttentionHeads copies{split.q.contiguous(), split.k.contiguous(), split.v.contiguous()};
    CHECK(torch::equal(attend(copies).mixed_BTW, attended.mixed_BTW));
    const auto turned = attend_backward(copies, attended, dmixed);
    CHECK(torch::equal(turned.k, heads_of(dqkv, heads).k));

    const auto reference = [&](torch::Dtype dtype) {
      auto x = qkv.to(dtype).requires_grad_();
      const auto h = heads_of(x, heads);
      auto y = at::scaled_dot_product_attention(h.q, h.k, h.v).transpose(1, 2).reshape({batch, tokens, heads * dim});
      y.backward(dmixed.to(dtype));
      return std::pair{y.detach(), x.grad()};
    };
    const auto [exact, dexact] = reference(torch::kDouble);
    const auto [torchs, dtorchs] = reference(torch::kBFloat16);
    CHECK(relative(attended.mixed_BTW, exact) <= 1.1 * relative(torchs, exact) + 1e-4);
    CHECK(relative(dqkv, dexact) <= 1.1 * relative(dtorchs, dexact) + 1e-4);
    CHECK(relative(dqkv, dexact) < 6e-3);
  }
}

TEST_CASE("the fused block equals the composed one in float32, logits and every gradient, with dropout, for every kind of rotation") {
  for (const auto& encoding : kEncodings) {
    auto model = make(small(encoding));
    const auto composed = train(model, false, false), fused = train(model, true, false);
    for (const auto& [name, value] : composed) {
      INFO(name);
      CHECK(relative(fused.at(name), value) < 2e-6);
    }
    CHECK_FALSE(equal(fused, composed));  // it ran
  }
}

TEST_CASE("the fused block in bf16 is as near to float64 as the composed one under autocast") {
  for (const auto& encoding : kEncodings) {
    auto exact_model = make(small(encoding), torch::kDouble), model = make(small(encoding));
    const auto exact = train(exact_model, false, false), composed = train(model, false, true), fused = train(model, true, true);
    double worst_fused = 0, worst_composed = 0;
    for (const auto& [name, value] : exact) {
      INFO(name << ": fused " << relative(fused.at(name), value) << ", composed " << relative(composed.at(name), value));
      CHECK(relative(fused.at(name), value) < std::max(2 * relative(composed.at(name), value), 0.01));
      worst_fused = std::max(worst_fused, relative(fused.at(name), value));
      worst_composed = std::max(worst_composed, relative(composed.at(name), value));
    }
    CHECK(worst_fused < 1.2 * worst_composed);
    CHECK(fused.at("block.1.mlp.fc1.weight").scalar_type() == torch::kFloat);
  }
}

TEST_CASE("the fused block gives the same bits with activation checkpointing") {
  for (const auto& encoding : {kEncodings[0], kEncodings[1]})
    for (const bool bf16 : {false, true}) {
      auto model = make(small(encoding));
      CHECK(equal(train(model, true, bf16), train(model, true, bf16, /*recompute=*/true)));
    }
}

TEST_CASE("fused kernels give the same bits however the work is shared out, and the block with two threads differs from one by rounding alone") {
  // One call, and a call per chunk in reverse: what threads may do.
  const Masked mask;
  const auto a = values({kRows, kWidth}, 5).to(torch::kFloat), bias = values({kWidth}, 1).to(torch::kFloat), dhidden = values({kRows, kWidth}, 1, 0.4).to(torch::kFloat);
  std::vector<torch::Tensor> whole, pieces;
  for (auto* results : {&whole, &pieces}) {
    const auto hidden = torch::empty_like(a), da = torch::empty_like(a), dbias = torch::empty({chunks_of(kRows), kWidth});
    const GeluPlan<float> plan{kRows, kWidth, data<float>(a), data<float>(bias), mask.plan(), data<float>(hidden), data<float>(dhidden), data<float>(da), data<float>(dbias)};
    const auto& kernels = block_kernels<float>();
    for (int64_t chunk = chunks_of(kRows); chunk-- > 0;) {
      const int64_t begin = results == &whole ? 0 : chunk, end = results == &whole ? chunks_of(kRows) : chunk + 1;
      kernels.gelu(plan, begin, end);
      kernels.gelu_backward(plan, begin, end);
    }
    *results = {hidden, da, dbias};
  }
  for (size_t i = 0; i < whole.size(); ++i) CHECK(torch::equal(whole[i], pieces[i]));

  for (const bool bf16 : {false, true}) {
    auto model = make(small(kEncodings[0]));
    std::map<std::string, torch::Tensor> one, two;
    {
      const Threads threads(1);
      one = train(model, true, bf16);
    }
    {
      const Threads threads(2);
      two = train(model, true, bf16);
    }
    for (const auto& [name, value] : one) {
      INFO(name);
      CHECK(relative(two.at(name), value) < (bf16 ? 2e-2 : 2e-6));  // the library's products may split their sums
    }
  }
}

TEST_CASE("evaluation takes the fused form too, and watching the attention does not") {
  auto model = make(small(AbsoluteConfig{}));
  const auto input = values({4, 3, 12, 20}, 1).to(torch::kFloat);
  const torch::NoGradGuard no_grad;
  const auto set = model->position().rotations(model->grid({12, 20}), false);
  model->set_fused(false);
  const auto composed = model->forward(input, set);
  model->set_fused(true);
  const auto fused = model->forward(input, set);
  CHECK(relative(fused, composed) < 1e-6);
  std::vector<torch::Tensor> attention;
  ForwardOptions watched;
  watched.cls_attention = &attention;
  CHECK(relative(model->forward(input, set, watched), composed) < 1e-6);
  CHECK(attention.size() == 3);
}
