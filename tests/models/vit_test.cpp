// The vision transformer as a whole: configuration, counts, and the properties that every encoding must have.
#include <ATen/autocast_mode.h>

#include <cmath>

#include "core/check.h"
#include "golden.h"
#include "support/catch.h"

using namespace liere;
using namespace liere::test;

namespace {

VitConfig small(const PositionConfig& position, std::vector<int64_t> input = {8, 12}, std::vector<int64_t> patch = {4, 4}, int64_t width = 32,
                int64_t heads = 2) {
  VitConfig config;
  config.preset = Preset::kCustom;
  config.input_size = input;
  config.patch = patch;
  config.width = width;
  config.depth = 2;
  config.heads = heads;
  config.mlp = 48;
  config.position = position;
  config.resolve();
  return config;
}

Vit make(const VitConfig& config, torch::Dtype dtype = torch::kDouble, uint64_t seed = 1) {
  Vit model(config, 5);
  model->initialize(seed);
  model->to(dtype);
  return model;
}

torch::Tensor picture(const VitConfig& config, int64_t batch = 3, torch::Dtype dtype = torch::kDouble) {
  std::vector<int64_t> shape = {batch, config.channels};
  shape.insert(shape.end(), config.input_size.begin(), config.input_size.end());
  const auto count = torch::zeros(shape).numel();
  return torch::arange(count, torch::kDouble).mul(0.7).add(0.1).pow(1.5).sin().view(shape).to(dtype);
}

torch::Tensor logits(Vit& model, const torch::Tensor& input, const ForwardOptions& options = {}) {
  const auto grid = model->grid(input.sizes().slice(2).vec());
  return model->forward(input, model->position().rotations(grid, false), options);
}

/// Loss and its gradients, left in .grad.
double train(Vit& model, const torch::Tensor& input) {
  model->zero_grad();
  const auto grid = model->grid(input.sizes().slice(2).vec());
  const auto set = model->position().rotations(grid, true);
  const auto loss = torch::cross_entropy_loss(model->forward(input, set), torch::arange(input.size(0), torch::kLong) % 5);
  loss.backward();
  if (set.wants_gradient()) model->position().accumulate_gradients(set, grid);
  return loss.item<double>();
}

double largest(const torch::Tensor& x) { return x.abs().max().item<double>(); }

VitConfig preset(Preset name, const PositionConfig& position) {
  VitConfig config;
  config.preset = name;
  config.position = position;
  config.resolve();
  return config;
}

int64_t rotation_parameters(const PositionConfig& position) {
  Vit model(preset(Preset::kBase, position), 100, torch::kMeta);
  return model->position().rotation_parameters();
}

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

std::string message_of(VitConfig config) {
  try {
    config.resolve();
  } catch (const ConfigError& error) {
    return error.what();
  }
  return "no error";
}

const std::vector<PositionConfig> kEncodings = {NoPositionConfig{},
                                                AbsoluteConfig{},
                                                RopeConfig{},
                                                VisionLlamaConfig{},
                                                RopeMixedConfig{},
                                                LiereConfig{.block_size = 4},
                                                LiereConfig{.block_size = 16},
                                                LiereConfig{.block_size = 8, .share = Share::kHeads, .absolute = true}};

}  // namespace

TEST_CASE("model configuration: presets, custom sizes and errors that name the keys") {
  VitConfig config;
  config.preset = Preset::kLarge;
  config.resolve();
  CHECK((*config.width == 1024 && *config.depth == 24 && *config.heads == 16 && *config.mlp == 4096));
  config.resolve();  // what a resolved configuration says again is no contradiction
  config.width = 512;
  CHECK((contains(message_of(config), "model.width is 512") && contains(message_of(config), "preset: custom")));
  VitConfig custom;
  custom.preset = Preset::kCustom;
  custom.width = 64;
  custom.heads = 2;
  CHECK(contains(message_of(custom), "missing: depth, mlp"));
  VitConfig uneven;
  uneven.input_size = {32, 30};
  CHECK(contains(message_of(uneven), "does not divide model.input_size 30"));
  uneven.input_size = {32};
  CHECK(contains(message_of(uneven), "one patch size per axis"));
  VitConfig block;
  block.position = LiereConfig{.block_size = 5};
  CHECK(contains(message_of(block), "block_size 5 does not divide"));
  block.position = LiereConfig{.block_size = 1};
  CHECK(contains(message_of(block), "no parameters"));
}

TEST_CASE("parameter counts are the paper's, without allocating anything") {
  const std::pair<int64_t, int64_t> table[] = {{2, 9216}, {4, 27648}, {8, 64512}, {16, 138240}, {32, 285696}, {64, 580608}};
  for (const auto& [block, count] : table) CHECK(rotation_parameters(LiereConfig{.block_size = block}) == count);
  CHECK(rotation_parameters(RopeMixedConfig{}) == 9216);
  CHECK(rotation_parameters(LiereConfig{.block_size = 64, .share = Share::kLayers}) == 580608 / 12);
  CHECK(rotation_parameters(LiereConfig{.block_size = 64, .share = Share::kBoth}) == 580608 / 144);
  CHECK(rotation_parameters(VisionLlamaConfig{}) == 0);
  Vit base(preset(Preset::kBase, AbsoluteConfig{}), 100, torch::kMeta);
  CHECK(base->parameter_count() > 85'100'000);
  CHECK(base->parameter_count() < 85'250'000);
  for (const auto& [name, tensor] : base->named_weights()) CHECK(tensor.is_meta());
}

TEST_CASE("multiply-adds are the paper's") {
  const auto flops = [](Preset name, const PositionConfig& position) {
    Vit model(preset(name, position), 100, torch::kMeta);
    return model->flops_per_sample(model->grid({32, 32})) / 1e9;
  };
  struct Row {
    Preset name;
    double absolute, visionllama, rope_mixed, liere_8, liere_64;
  };
  // tiny with b = 64: the paper prints 0.970, which its own counting (two products of T W b a layer) does not give for any sequence length.
  for (const Row& row : {Row{Preset::kTiny, 0.963, 0.963, 0.964, 0.968, 1.0016}, Row{Preset::kBase, 5.607, 5.607, 5.609, 5.617, 5.684},
                         Row{Preset::kLarge, 19.856, 19.856, 19.863, 19.882, 20.061}}) {
    CHECK(flops(row.name, AbsoluteConfig{}) == Approx(row.absolute).epsilon(1e-3));
    CHECK(flops(row.name, VisionLlamaConfig{}) == Approx(row.visionllama).epsilon(1e-3));
    CHECK(flops(row.name, RopeMixedConfig{}) == Approx(row.rope_mixed).epsilon(1e-3));
    CHECK(flops(row.name, LiereConfig{.block_size = 8}) == Approx(row.liere_8).epsilon(1e-3));
    CHECK(flops(row.name, LiereConfig{.block_size = 64}) == Approx(row.liere_64).epsilon(1e-3));
  }
}

TEST_CASE("rotations are orthogonal, identity at position zero and the same for blocks of 2 as rope_mixed") {
  for (const auto dtype : {torch::kDouble, torch::kFloat})
    for (const auto& position : kEncodings) {
      const auto config = small(position);
      Vit model = make(config, dtype);
      const auto set = model->position().rotations(model->grid(config.input_size), false);
      if (set.kind == Rotations::Kind::kNone) continue;
      const auto r = rotation_matrices(set);
      const auto identity = torch::eye(r.size(-1), dtype);
      CHECK(largest(r.transpose(-2, -1).matmul(r) - identity) <= (dtype == torch::kDouble ? 1e-12 : 5e-5));
      CHECK(torch::equal(r.select(1, 0), identity.expand(r.select(1, 0).sizes())));
    }
  auto mixed = make(small(RopeMixedConfig{})), blocks = make(small(LiereConfig{.block_size = 2}));
  const auto input = picture(mixed->config());
  CHECK(torch::equal(logits(mixed, input), logits(blocks, input)));
  train(mixed, input);
  train(blocks, input);
  CHECK(torch::equal(weights_of(mixed)["generators"].grad(), weights_of(blocks)["generators"].grad()));
}

TEST_CASE("rotations are made again exactly when generators, grid, rule or path are others") {
  for (const PositionConfig& position : {PositionConfig(LiereConfig{.block_size = 8}), PositionConfig(RopeMixedConfig{})}) {
    Vit model = make(small(position), torch::kFloat);
    const auto grid = model->grid({8, 12});
    const auto made = [&](const TokenGrid& g, bool with_gradient = false) { return model->position().rotations(g, with_gradient); };
    auto before = made(grid);
    const auto kept = [&](const Rotations& now) {
      const bool same = now.value.is_same(before.value);
      before = now;
      return same;
    };
    CHECK(kept(made(grid)));
    const auto training = made(grid, true);
    CHECK(kept(training));
    CHECK(training.gradient.abs().max().item<double>() == 0);
    training.gradient.fill_(1);
    CHECK(made(grid, true).gradient.abs().max().item<double>() == 0);

    auto generators = weights_of(model)["generators"];
    {
      const torch::NoGradGuard no_grad;
      generators.view(-1)[3].add_(0.5);
    }
    CHECK_FALSE(kept(made(grid)));
    CHECK(kept(made(grid)));
    generators.set_data(generators.detach() * 2);
    CHECK_FALSE(kept(made(grid)));
    CHECK_FALSE(kept(made(model->grid({12, 12}))));
    CHECK_FALSE(kept(made(grid)));
    model->position().set_position_rule(PositionRule::kIndex);
    CHECK_FALSE(kept(made(grid)));
    model->position().set_rotation_path(RotationPath::kReference);
    CHECK_FALSE(kept(made(grid)));
    CHECK(before.path == RotationPath::kReference);
    model->to(torch::kDouble);
    CHECK(made(grid).value.scalar_type() == torch::kDouble);
  }
}

TEST_CASE("rotations that are the identity leave plain attention, others do not") {
  auto plain = make(small(NoPositionConfig{}));
  const auto input = picture(plain->config());
  for (const PositionConfig& position : {PositionConfig(RopeMixedConfig{}), PositionConfig(LiereConfig{.block_size = 8})}) {
    auto model = make(small(position));
    CHECK(largest(logits(model, input) - logits(plain, input)) > 1e-3);
    set_weight(model, "generators", torch::zeros_like(weights_of(model)["generators"]));
    CHECK(largest(logits(model, input) - logits(plain, input)) <= 1e-12);
  }
}

TEST_CASE("1D: scores depend on the offset alone, and the model runs for every block size") {
  for (const int64_t block : {2, 4, 8, 16, 32, 64}) {
    auto model = make(small(LiereConfig{.block_size = block}, {40}, {4}, 128, 2));
    const auto input = picture(model->config());
    const auto r = rotation_matrices(model->position().rotations(model->grid({40}), false));
    const auto from_0 = r.select(1, 0).transpose(-2, -1).matmul(r.select(1, 3)), from_5 = r.select(1, 5).transpose(-2, -1).matmul(r.select(1, 8));
    CHECK(largest(from_0 - from_5) <= 1e-12);
    CHECK(std::isfinite(train(model, input)));
    CHECK(largest(weights_of(model)["generators"].grad()) > 0);
  }
  // Two axes do not commute: the same offset from another origin is another rotation.
  auto model = make(small(LiereConfig{.block_size = 8}, {16, 16}));
  const auto r = rotation_matrices(model->position().rotations(model->grid({16, 16}), false));
  CHECK(largest(r.select(1, 0).transpose(-2, -1).matmul(r.select(1, 1)) - r.select(1, 4).transpose(-2, -1).matmul(r.select(1, 5))) > 0.1);
}

TEST_CASE("every weight of every encoding receives a gradient, in every layer, equal to central differences") {
  for (const auto& position : kEncodings) {
    auto config = small(position);
    config.qkv_bias = true;
    auto model = make(config);
    const auto input = picture(config);
    train(model, input);
    for (auto& [name, weight] : weights_of(model)) {
      INFO(name);
      const auto grad = weight.grad().clone();
      CHECK(largest(grad) > 0);
      if (name == "generators")
        for (int64_t layer = 0; layer < grad.size(1); ++layer) CHECK(largest(grad.select(1, layer)) > 0);
      if (name != "generators" && name != "position_embedding" && name != "block.1.attention.qkv.weight") continue;
      const auto wave = torch::arange(grad.numel(), torch::kDouble).add(1).sin().view(grad.sizes()), direction = wave / wave.norm();
      const double h = 1e-5;
      const auto original = weight.detach().clone();
      set_weight(model, name, original + h * direction);
      const double above = train(model, input);
      set_weight(model, name, original - h * direction);
      const double below = train(model, input);
      set_weight(model, name, original);
      CHECK((above - below) / (2 * h) == Approx((grad * direction).sum().item<double>()).epsilon(1e-6).margin(1e-8));
    }
  }
}

TEST_CASE("head dimension 48 with blocks of 6, and 3D with blocks of 16") {
  for (const auto& config :
       {small(LiereConfig{.block_size = 6}, {8, 8}, {4, 4}, 96), small(LiereConfig{.block_size = 16}, {4, 8, 8}, {2, 4, 4}, 64)}) {
    auto model = make(config);
    CHECK(std::isfinite(train(model, picture(config))));
    CHECK(weights_of(model)["generators"].size(3) == config.head_dim() / std::get<LiereConfig>(config.position).block_size);
  }
}

TEST_CASE("initial values: the same backbone for every encoding, another for another seed") {
  auto a = make(small(LiereConfig{.block_size = 8})), b = make(small(AbsoluteConfig{})), other = make(small(AbsoluteConfig{}), torch::kDouble, 2);
  auto weights_a = weights_of(a), weights_b = weights_of(b), weights_other = weights_of(other);
  for (const auto& [name, weight] : weights_a) {
    if (name == "generators") continue;
    CHECK(torch::equal(weight, weights_b[name]));
    if (name.find("norm") == std::string::npos) CHECK(!torch::equal(weight, weights_other[name]));
  }
  const auto generators = weights_a["generators"];
  CHECK((generators.min().item<double>() >= 0 && generators.max().item<double>() <= 6.2832 && generators.max().item<double>() > 5));
  CHECK(largest(weights_a["block.0.mlp.fc2.weight"]) <= 1 / std::sqrt(48.0) + 1e-7);
  CHECK(torch::equal(weights_a["head_norm.weight"], torch::ones(32, torch::kDouble)));
  CHECK(std::abs(weights_b["position_embedding"].std().item<double>() - 1) < 0.2);
}

TEST_CASE("dropout acts in training alone and follows its key") {
  auto config = small(LiereConfig{.block_size = 8});
  config.dropout = 0.3;
  auto model = make(config, torch::kFloat);
  const auto input = picture(config, 3, torch::kFloat);
  const auto with = [&](int64_t step) {
    ForwardOptions options;
    options.dropout = DropoutKey{7, step, torch::arange(3, torch::kLong)};
    return logits(model, input, options);
  };
  CHECK(torch::equal(logits(model, input), logits(model, input)));
  CHECK(torch::equal(with(1), with(1)));
  CHECK(!torch::equal(with(1), with(2)));
  CHECK(!torch::equal(with(1), logits(model, input)));
}

TEST_CASE("bf16 autocast stays close to float32") {
  for (const auto& position : kEncodings) {
    auto model = make(small(position), torch::kFloat);
    const auto input = picture(model->config(), 3, torch::kFloat);
    const auto exact = logits(model, input);
    at::autocast::set_autocast_dtype(at::kCPU, at::kBFloat16);
    at::autocast::set_autocast_enabled(at::kCPU, true);
    at::autocast::increment_nesting();
    const auto rounded = logits(model, input).to(torch::kFloat);
    const auto r = model->position().rotations(model->grid(model->config().input_size), false);
    at::autocast::decrement_nesting();
    at::autocast::clear_cache();
    at::autocast::set_autocast_enabled(at::kCPU, false);
    CHECK(largest(rounded - exact) <= 0.05);
    CHECK(largest(rounded - exact) > 0);
    if (r.kind != Rotations::Kind::kNone) CHECK(r.value.scalar_type() == torch::kFloat);
  }
}

TEST_CASE("an input of the wrong size is refused by name") {
  auto model = make(small(NoPositionConfig{}));
  const auto message = [&](const std::vector<int64_t>& size) {
    try {
      model->grid(size);
    } catch (const ConfigError& error) {
      return std::string(error.what());
    }
    return std::string("no error");
  };
  CHECK((contains(message({8, 13}), "4x4") && contains(message({8, 13}), "8x13")));
  CHECK(contains(message({8}), "2 spatial axes"));
}
