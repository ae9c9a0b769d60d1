// What every position encoding must do, tried for each of them (every_encoding.h) with one, two and three axes, square and oblong grids: gradients, other sizes than
// trained, bf16, weights out and in, counts, start values. And what tells them apart: who sees the order of tokens at all, and who sees offsets alone.
#include <ATen/autocast_mode.h>

#include <cmath>
#include <map>

#include "core/check.h"
#include "core/config.h"
#include "core/safetensors.h"
#include "every_encoding.h"
#include "golden.h"
#include "support/catch.h"
#include "support/fixtures.h"

using namespace liere;
using namespace liere::test;

namespace {

struct ModelWithAnyEncoding {
  AnyEncoding position;
};
template <class V>
void fields(V& v, ModelWithAnyEncoding& c) {
  v("position", c.position, "position encoding");
}

const std::vector<std::vector<int64_t>> kInputs = {{7}, {4, 4}, {2, 6}, {2, 3, 4}};  // tokens per axis: patches of one pixel

/// A model's configuration with an encoding of the program's, or `factory` for the example.
struct Subject : VitConfig {
  AnyEncoding encoding;
  EncodingFactory factory;
};

Subject subject_of(const AnyEncoding& encoding, const std::vector<int64_t>& input) {
  Subject config;
  config.encoding = encoding;
  config.preset = Preset::kCustom;
  config.input_size = input;
  config.patch = std::vector<int64_t>(input.size(), 1);
  config.width = 32;
  config.depth = 2;
  config.heads = 2;
  config.mlp = 24;
  std::visit(
      [&config](const auto& c) {
        if constexpr (std::is_constructible_v<PositionConfig, decltype(c)>) {
          config.position = c;
        } else {
          config.position = NoPositionConfig{};
          config.factory = [c](const BackboneShape& shape) { return make(c, shape); };
        }
      },
      encoding);
  config.resolve();
  return config;
}

Vit made(const Subject& config, torch::Dtype dtype = torch::kDouble, uint64_t seed = 1) {
  Vit model(config, 4, torch::kCPU, config.factory);
  model->initialize(seed);
  model->to(dtype);
  return model;
}

torch::Tensor input_of(const std::vector<int64_t>& size, torch::Dtype dtype = torch::kDouble) {
  std::vector<int64_t> shape = {2, 3};
  shape.insert(shape.end(), size.begin(), size.end());
  const auto count = torch::zeros(shape).numel();
  return torch::arange(count, torch::kDouble).mul(0.7).add(0.1).pow(1.5).sin().view(shape).to(dtype);
}

torch::Tensor logits(Vit& model, const torch::Tensor& input, const ForwardOptions& options = {}) {
  return model->forward(input, model->position().rotations(model->grid(input.sizes().slice(2).vec()), false), options);
}

double loss_and_gradients(Vit& model, const torch::Tensor& input) {
  model->zero_grad();
  const auto grid = model->grid(input.sizes().slice(2).vec());
  const auto set = model->position().rotations(grid, true);
  const auto loss = torch::cross_entropy_loss(model->forward(input, set), torch::arange(input.size(0), torch::kLong) % 4);
  loss.backward();
  if (set.wants_gradient()) model->position().accumulate_gradients(set, grid);
  return loss.item<double>();
}

double largest(const torch::Tensor& x) { return x.abs().max().item<double>(); }

/// `check(config)` for every encoding and input.
template <class Check>
void for_each_encoding(const Check& check) {
  for (const auto& encoding : every_encoding())
    for (const auto& input : kInputs) {
      INFO(describe(encoding) << " on " << input.size() << " axes, " << input.back() << " tokens along the last");
      check(subject_of(encoding, input));
    }
}

/// Weights of the encoding itself, by name.
std::map<std::string, torch::Tensor> encoding_weights(Vit& model) {
  std::map<std::string, torch::Tensor> weights;
  auto plain = made(subject_of(NoPositionConfig{}, model->config().input_size));
  auto all = weights_of(model);
  const auto backbone = weights_of(plain);
  for (const auto& [name, weight] : all)
    if (!backbone.count(name)) weights[name] = weight;
  return weights;
}

bool is_learned_rotation(const AnyEncoding& encoding) {
  return std::visit([](const auto& c) { return requires { c.share; }; }, encoding);
}
bool has_table(const AnyEncoding& encoding) {
  return std::visit(
      [](const auto& c) {
        if constexpr (requires { c.absolute; }) return c.absolute;
        else return std::string(c.kind) == "absolute";
      },
      encoding);
}

}  // namespace

TEST_CASE("conformance: the list holds every kind", "[conformance]") {
  std::map<std::string, int> kinds;
  for (const auto& encoding : every_encoding()) ++kinds[std::visit([](const auto& c) { return std::string(c.kind); }, encoding)];
  CHECK(kinds.size() == std::variant_size_v<PositionConfig> + 1);
  for (const char* kind : {"none", "absolute", "rope", "visionllama", "rope_mixed", "liere", "example"}) CHECK(kinds.count(kind) == 1);
}

TEST_CASE("conformance: the example is read, named and checked like the program's own, and is LieRE along one axis", "[conformance]") {
  ModelWithAnyEncoding read;
  decode(parse_config("position: {kind: example, block_size: 4, share: heads}", "test"), read);
  const auto& example = std::get<ExampleConfig>(read.position);
  CHECK(example.share == Share::kHeads);
  CHECK(example.label() == "example LieRE_4");
  CHECK_NOTHROW(example.check({16, 1}));
  CHECK_THROWS_AS(example.check({6, 1}), ConfigError);
  CHECK_THROWS_AS(decode(parse_config("position: {kind: example, block_size: 1}", "test"), read), ConfigError);

  for (const auto& input : kInputs) {
    auto model = made(subject_of(example, input)), liere = made(subject_of(LiereConfig{.block_size = 4, .share = Share::kHeads}, input));
    const torch::NoGradGuard no_grad;
    const double difference = largest(logits(model, input_of(input)) - logits(liere, input_of(input)));
    if (input.size() == 1) CHECK(difference <= 1e-12);
    else CHECK(difference > 1e-6);
  }
}

TEST_CASE("conformance: gradients of an encoding's weights and of a projection are central differences", "[conformance]") {
  for_each_encoding([](const Subject& config) {
    auto model = made(config);
    const auto input = input_of(config.input_size);
    loss_and_gradients(model, input);
    auto checked = encoding_weights(model);
    checked["block.1.attention.qkv.weight"] = weights_of(model).at("block.1.attention.qkv.weight");
    for (auto& [name, weight] : checked) {
      INFO(name);
      const auto grad = weight.grad().clone();
      CHECK(largest(grad) > 0);
      const auto wave = torch::arange(grad.numel(), torch::kDouble).add(1).sin().view(grad.sizes()), direction = wave / wave.norm();
      const auto original = weight.detach().clone();
      const double h = 1e-5;
      set_weight(model, name, original + h * direction);
      const double above = loss_and_gradients(model, input);
      set_weight(model, name, original - h * direction);
      const double below = loss_and_gradients(model, input);
      set_weight(model, name, original);
      // Central differences are off by h^2 / 6 of the third derivative and 1e-16 / h of the loss.
      CHECK((above - below) / (2 * h) == Approx((grad * direction).sum().item<double>()).epsilon(1e-6).margin(2e-8));
    }
  });
}

TEST_CASE("conformance: other sizes than trained give finite logits by both rules of positions, and the trained size its own again", "[conformance]") {
  for_each_encoding([](const Subject& config) {
    auto model = made(config);
    const torch::NoGradGuard no_grad;
    const auto at_trained = logits(model, input_of(config.input_size));
    for (const int64_t more : {-1, 1, 3}) {
      auto size = config.input_size;
      size.back() += more;
      const auto input = input_of(size);
      const auto sequential = logits(model, input);
      CHECK(sequential.sizes() == at_trained.sizes());
      CHECK(sequential.isfinite().all().item<bool>());
      model->position().set_position_rule(PositionRule::kFixed);
      const auto fixed = logits(model, input);
      CHECK(fixed.isfinite().all().item<bool>());
      const bool has_rule = std::visit([](const auto& c) { return requires { c.positions; }; }, config.encoding);
      CHECK((largest(fixed - sequential) > 1e-9) == has_rule);
      model->position().set_position_rule(PositionRule::kSequential);
    }
    CHECK(torch::equal(logits(model, input_of(config.input_size)), at_trained));
  });
}

TEST_CASE("conformance: bf16 stays within its rounding of float32, and rotations stay float32", "[conformance]") {
  for_each_encoding([](const Subject& config) {
    auto model = made(config, torch::kFloat);
    const torch::NoGradGuard no_grad;
    const auto input = input_of(config.input_size, torch::kFloat), exact = logits(model, input);
    at::autocast::set_autocast_dtype(at::kCPU, at::kBFloat16);
    at::autocast::set_autocast_enabled(at::kCPU, true);
    at::autocast::increment_nesting();
    const auto rounded = logits(model, input).to(torch::kFloat);
    const auto set = model->position().rotations(model->grid(config.input_size), false);
    at::autocast::decrement_nesting();
    at::autocast::clear_cache();
    at::autocast::set_autocast_enabled(at::kCPU, false);
    // Each of some ten roundings on the way is 2^-9 of values near 1.
    CHECK(largest(rounded - exact) <= 10 * std::pow(2.0, -8));
    CHECK(largest(rounded - exact) > 0);
    if (set.kind != Rotations::Kind::kNone) CHECK(set.value.scalar_type() == torch::kFloat);
  });
}

TEST_CASE("conformance: weights written and read again give the same logits, bit for bit", "[conformance]") {
  TemporaryFolder folder;
  for_each_encoding([&](const Subject& config) {
    auto model = made(config, torch::kFloat), other = made(config, torch::kFloat, 77);
    std::vector<safetensors::TensorView> views;
    for (const auto& [name, weight] : model->named_weights())
      views.push_back({name, safetensors::Dtype::kF32, weight.sizes().vec(), std::as_bytes(std::span(weight.data_ptr<float>(), static_cast<size_t>(weight.numel())))});
    safetensors::write(folder.path() / "weights.safetensors", views, {});
    const auto file = safetensors::File::open(folder.path() / "weights.safetensors");
    const torch::NoGradGuard no_grad;
    for (const auto& [name, weight] : other->named_weights())
      weight.copy_(torch::from_blob(const_cast<std::byte*>(file.data(name).data()), file.info(name).shape, torch::kFloat));
    const auto input = input_of(config.input_size, torch::kFloat);
    CHECK(torch::equal(logits(model, input), logits(other, input)));
  });
}

TEST_CASE("conformance: parameters are the backbone's, the table's and what rotates - a dry run counts the same", "[conformance]") {
  for_each_encoding([](const Subject& config) {
    auto model = made(config);
    int64_t own = 0, tokens = 1;
    for (const auto& [name, weight] : encoding_weights(model)) own += weight.numel();
    for (const int64_t side : config.input_size) tokens *= side;
    CHECK(own == model->position().rotation_parameters() + (has_table(config.encoding) ? (tokens + 1) * *config.width : 0));
    CHECK((model->position().rotation_parameters() > 0) == is_learned_rotation(config.encoding));
    Vit shapes(config, 4, torch::kMeta, config.factory);
    CHECK(shapes->parameter_count() == model->parameter_count());
  });
}

TEST_CASE("conformance: start values follow the seed and nothing else", "[conformance]") {
  for_each_encoding([](const Subject& config) {
    auto a = made(config), again = made(config), other = made(config, torch::kDouble, 2);
    for (const auto& [name, weight] : encoding_weights(a)) {
      INFO(name);
      CHECK(torch::equal(weight, weights_of(again).at(name)));
      CHECK_FALSE(torch::equal(weight, weights_of(other).at(name)));
    }
  });
}

TEST_CASE("conformance: every encoding but none sees the order of its tokens", "[conformance]") {
  for_each_encoding([](const Subject& config) {
    auto model = made(config);
    const torch::NoGradGuard no_grad;
    const auto input = input_of(config.input_size);
    const auto tokens = model->grid(config.input_size).tokens();
    ForwardOptions shuffled;
    shuffled.permutation_BN = torch::arange(tokens, torch::kLong).flip(0).expand({2, tokens});
    const double difference = largest(logits(model, input, shuffled) - logits(model, input));
    if (std::holds_alternative<NoPositionConfig>(config.encoding)) CHECK(difference <= 1e-12);
    else CHECK(difference > 1e-6);
  });
}

TEST_CASE("conformance: scores depend on offsets alone in one dimension, and in more for all rotations that commute", "[conformance]") {
  for_each_encoding([](const Subject& config) {
    auto model = made(config);
    const auto set = model->position().rotations(model->grid(config.input_size), false);
    if (set.kind == Rotations::Kind::kNone) return;
    const auto r = rotation_matrices(set);
    const auto turned = [&](int64_t from, int64_t to) { return r.select(1, from).transpose(-2, -1).matmul(r.select(1, to)); };
    // From the first token to the next along the last axis, and the same step from the last line of the grid.
    const int64_t line = config.input_size.size() > 1 ? model->grid(config.input_size).tokens() - config.input_size.back() : 3;
    const double departure = largest(turned(line, line + 1) - turned(0, 1));
    const bool commutes = config.input_size.size() == 1 || set.kind == Rotations::Kind::kPairs;
    if (commutes) CHECK(departure <= 1e-12);
    else CHECK(departure > 1e-3);
  });
}
