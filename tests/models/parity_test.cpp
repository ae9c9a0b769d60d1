// Every golden file of rotations, positions, models and optimiser, in float64 and float32. Tolerances: float64 1e-9 of each tensor's largest entry;
// float32 logits 5e-5 for blocks of 64 and 2e-5 otherwise, R 5e-5, positions 2e-7, gradients 1e-4 of each tensor's norm. Sizes come from the files,
// so that another set of the same form can be put in.
#include <cmath>

#include "golden.h"
#include "models/kernels/rotation_exp.h"
#include "models/patch_embed.h"
#include "support/catch.h"

using namespace liere;
using namespace liere::test;

namespace {

const auto kDtypes = {torch::kDouble, torch::kFloat};
/// The kernels and what they are compared with must both meet the goldens.
const auto kPaths = {RotationPath::kKernels, RotationPath::kReference};
std::string with_path(const std::string& name, RotationPath path) { return path == RotationPath::kReference ? name + " (reference path)" : name; }

// ---- rotations ----

void check_rotations(const Golden& golden, Parity& parity, const std::string& axes, int64_t block, RotationPath path) {
  const auto name = axes + ".b" + std::to_string(block);
  const auto dtype = parity.dtype();
  const auto positions = golden.tensor(axes + ".positions", dtype);
  const auto params = golden.tensor(name + ".params", dtype);                          // [n, K, E]
  const auto cotangent = golden.tensor(name + ".G", dtype).unsqueeze(1).unsqueeze(0);  // [1, P, 1, K, b, b]
  const auto generators = params.unsqueeze(1).unsqueeze(1);                            // [n, 1, 1, K, E]
  const auto r = rotation_exp(generators, positions, block, path);                     // [1, P, 1, K, b, b]
  const auto grad = rotation_exp_gradient(generators, positions, cotangent.matmul(r.transpose(-2, -1)), path);
  const auto expected_grad = golden.tensor(name + ".grad");
  parity.near(name + ".R", r.squeeze(0).squeeze(1), golden.tensor(name + ".R"), 5e-5);
  parity.near(name + ".loss", (r.to(torch::kDouble) * cotangent.to(torch::kDouble)).sum(), golden.tensor(name + ".loss"),
              5e-5 * cotangent.norm().item<double>());
  parity.gradient(name + ".grad", grad.squeeze(1).squeeze(1), expected_grad, expected_grad.norm().item<double>());
}

/// The same numbers through the pairs of rope_mixed: R from cos and sin, the gradient from dL/dangle.
void check_pairs(const Golden& golden, Parity& parity, const std::string& axes) {
  const auto name = axes + ".b2";
  const auto positions = golden.tensor(axes + ".positions", parity.dtype());
  const auto theta = golden.tensor(name + ".params", parity.dtype()).squeeze(-1);  // [n, K]
  const auto f = positions.matmul(theta), c = f.cos(), s = f.sin();
  const auto r = torch::stack({torch::stack({c, s}, -1), torch::stack({-s, c}, -1)}, -2);
  parity.near(name + ".R (pairs)", r, golden.tensor(name + ".R"), 5e-5);
}

// ---- models ----

struct Variant {
  const char* name;
  Share share;
};
constexpr Variant kVariants[] = {{"plain", Share::kNone},           {"per_layer", Share::kNone},     {"shared_layer0", Share::kLayers},
                                 {"shared_layers", Share::kLayers}, {"shared_heads", Share::kHeads}, {"shared_all", Share::kBoth}};

PositionConfig position_of(const Golden& golden, Share share) {
  const auto& encoding = golden.metadata("encoding");
  if (encoding == "none") return NoPositionConfig{};
  if (encoding == "absolute") return AbsoluteConfig{};
  if (encoding == "rope") return RopeConfig{};
  if (encoding == "visionllama") return VisionLlamaConfig{};
  if (encoding == "rope_mixed") return RopeMixedConfig{.share = share};
  REQUIRE(encoding.starts_with("liere"));
  return LiereConfig{.block_size = golden.number("block_size"), .share = share};
}

struct Subject {
  const Golden& common;
  const Golden& golden;
  Parity& parity;
  Variant variant;
  double logit_tolerance;
  RotationPath path;

  Vit model(Pool pool = Pool::kCls) const {
    Vit model = golden_model(common, position_of(golden, variant.share), parity.dtype(), pool);
    model->position().set_rotation_path(path);
    if (golden.contains("position_embedding")) set_weight(model, "position_embedding", golden.tensor("position_embedding"));
    if (golden.contains("generators")) {
      auto generators = golden.tensor("generators");
      if (variant.share == Share::kLayers || variant.share == Share::kBoth) generators = generators.narrow(1, 0, 1);
      if (variant.share == Share::kHeads || variant.share == Share::kBoth) generators = generators.narrow(2, 0, 1);
      set_weight(model, "generators", generators);
    }
    return model;
  }
  std::string name(const std::string& what) const { return std::string(variant.name) + "." + what; }
  bool has(const std::string& what) const { return golden.contains(name(what)); }
  torch::Tensor expected(const std::string& what) const { return golden.tensor(name(what)); }
  torch::Tensor input(const std::string& size = "") const { return common.tensor(size + "input", parity.dtype()); }
};

TokenGrid grid_of(Vit& model, const torch::Tensor& input) { return model->grid(input.sizes().slice(2).vec()); }

torch::Tensor evaluate(Vit& model, const torch::Tensor& input, const ForwardOptions& options = {}) {
  const torch::NoGradGuard no_grad;
  return model->forward(input, model->position().rotations(grid_of(model, input), false), options);
}

/// Forward and backward of the loss as a training step does them. Returns logits and loss.
std::pair<torch::Tensor, torch::Tensor> train_step(Vit& model, const torch::Tensor& input, const torch::Tensor& labels) {
  model->zero_grad();
  const auto grid = grid_of(model, input);
  const auto set = model->position().rotations(grid, true);
  const auto logits = model->forward(input, set);
  const auto loss = torch::cross_entropy_loss(logits, labels);
  loss.backward();
  if (set.wants_gradient()) model->position().accumulate_gradients(set, grid);
  return {logits, loss};
}

void check_gradients(const Subject& subject, Vit& model) {
  int compared = 0;
  for (const auto& [name, weight] : weights_of(model)) {
    INFO(name);
    REQUIRE(weight.grad().defined());
    const auto grad = weight.grad().to(torch::kDouble);
    if (!subject.has("grad_norm." + name)) {  // the sharing ablation stores the generators' gradient alone
      if (subject.has("grad." + name)) {
        const auto expected = subject.expected("grad." + name);
        subject.parity.gradient(subject.name("grad." + name), grad, expected, expected.norm().item<double>());
        ++compared;
      }
      continue;
    }
    const auto expected_norm = subject.expected("grad_norm." + name);
    const double norm = expected_norm.item<double>();
    subject.parity.gradient(subject.name("grad_norm." + name), grad.norm(), expected_norm, norm);
    if (subject.has("grad." + name)) subject.parity.gradient(subject.name("grad." + name), grad, subject.expected("grad." + name), norm);
    if (subject.has("grad_rows." + name)) {
      const auto rows = grad.slice(0, subject.golden.number("grad_row_start"), grad.size(0), subject.golden.number("grad_row_stride"));
      subject.parity.gradient(subject.name("grad_rows." + name), rows, subject.expected("grad_rows." + name), norm);
      subject.parity.gradient(subject.name("grad_rowsum." + name), grad.sum(1), subject.expected("grad_rowsum." + name), norm);
    }
    ++compared;
  }
  CHECK(compared > 0);
}

void check_other_sizes(const Subject& subject, Vit& model) {
  for (const std::string size : {"large", "oblong"}) {
    if (!subject.has(size + ".logits")) continue;
    const auto [logits, loss] = train_step(model, subject.input(size + "."), subject.common.tensor("labels"));
    subject.parity.near(subject.name(size + ".logits"), logits, subject.expected(size + ".logits"), subject.logit_tolerance);
    subject.parity.near(subject.name(size + ".loss"), loss, subject.expected(size + ".loss"), subject.logit_tolerance);
    for (const std::string name : {"generators", "position_embedding"}) {
      if (!subject.has(size + ".grad." + name)) continue;
      const auto expected = subject.expected(size + ".grad." + name);
      subject.parity.gradient(subject.name(size + ".grad." + name), weights_of(model)[name].grad(), expected, expected.norm().item<double>());
    }
  }
}

void check_inside(const Subject& subject, Vit& model) {
  if (subject.has("cls_after_block")) {
    std::vector<torch::Tensor> states, attention;
    ForwardOptions options;
    options.cls_states = &states;
    options.cls_attention = &attention;
    evaluate(model, subject.input(), options);
    const auto expected = subject.expected("cls_after_block");
    subject.parity.near(subject.name("cls_after_block"), torch::stack(states), expected,
                        subject.logit_tolerance * expected.abs().max().item<double>());
    subject.parity.near(subject.name("cls_attention"), torch::stack(attention), subject.expected("cls_attention"), subject.logit_tolerance);
  }
  if (subject.has("shuffle.logits")) {
    ForwardOptions options;
    options.permutation_BN = subject.common.tensor("shuffle.permutation");
    subject.parity.near(subject.name("shuffle.logits"), evaluate(model, subject.input(), options), subject.expected("shuffle.logits"),
                        subject.logit_tolerance);
  }
  if (subject.has("mean_pool.logits")) {
    Vit mean = subject.model(Pool::kMean);
    subject.parity.near(subject.name("mean_pool.logits"), evaluate(mean, subject.input()), subject.expected("mean_pool.logits"),
                        subject.logit_tolerance);
  }
}

void check_stored_rotations(const Subject& subject, Vit& model) {
  const auto& golden = subject.golden;
  const bool all = golden.contains("rotation.all");
  if (!all && !(golden.contains("rotation.tokens") && std::string(subject.variant.name) == "per_layer")) return;
  const auto matrices = rotation_matrices(model->position().rotations(grid_of(model, subject.input()), false));
  const auto expected = golden.tensor(all ? "rotation.all" : "rotation.layer1_head1");
  const auto ours = matrices.select(0, all ? 0 : 1).select(1, all ? 0 : 1);  // [N, K, b, b]
  for (int64_t i = 0; i < expected.size(0); ++i) {
    const int64_t token = all ? i : golden.tensor("rotation.tokens")[i].item<int64_t>();
    const auto identity = torch::eye(expected.size(-1), torch::kDouble).expand(expected[i].sizes());
    const auto actual = token == 0 ? identity : ours[token - 1].narrow(0, 0, expected.size(1));
    subject.parity.near("rotation of token " + std::to_string(token), actual, expected[i], 5e-5);
  }
}

void check_model(const std::string& encoding, const std::string& dimension, torch::Dtype dtype, RotationPath path) {
  const auto file = "model_" + encoding + "_" + dimension;
  const auto common = Golden::open("common_" + dimension), golden = Golden::open(file);
  if (!common || !golden) return;
  Parity parity(with_path(file, path), dtype);
  const double logit_tolerance = golden->metadata("block_size") == "64" ? 5e-5 : 2e-5;
  int variants = 0;
  for (const Variant& variant : kVariants) {
    const Subject subject{*common, *golden, parity, variant, logit_tolerance, path};
    if (!subject.has("logits")) continue;
    ++variants;
    Vit model = subject.model();
    const auto [logits, loss] = train_step(model, subject.input(), common->tensor("labels"));
    parity.near(subject.name("logits"), logits, subject.expected("logits"), logit_tolerance);
    parity.near(subject.name("loss"), loss, subject.expected("loss"), logit_tolerance);
    check_gradients(subject, model);
    check_other_sizes(subject, model);
    check_inside(subject, model);
    check_stored_rotations(subject, model);
  }
  CHECK(variants > 0);
}

}  // namespace

TEST_CASE("parity: rotations and their gradient") {
  const auto golden = Golden::open("rotations");
  if (!golden) return;
  for (const auto path : kPaths)
    for (const auto dtype : kDtypes) {
      Parity parity(with_path("rotations", path), dtype);
      int compared = 0;
      for (const std::string axes : {"n1", "n2", "n3"})
        for (const int64_t block : {2, 4, 8, 16, 32, 64}) {
          if (!golden->contains(axes + ".b" + std::to_string(block) + ".R")) continue;
          check_rotations(*golden, parity, axes, block, path);
          if (block == 2) check_pairs(*golden, parity, axes);
          ++compared;
        }
      CHECK(compared > 0);
    }
}

TEST_CASE("parity: token positions") {
  const auto golden = Golden::open("positions");
  if (!golden) return;
  for (const auto dtype : kDtypes) {
    Parity parity("positions", dtype);
    for (const auto& name : golden->names("")) {
      if (!name.ends_with(".float64")) continue;
      const auto middle = name.find("_trained_"), end = name.find('.');
      const TokenGrid grid{parse_sizes(name.substr(0, middle)), parse_sizes(name.substr(middle + 9, end - middle - 9))};
      const auto ours = grid_positions(grid, PositionRule::kSequential, dtype);
      parity.near(name, ours, golden->tensor(name), 2e-7);
      if (dtype == torch::kFloat) parity.within(name + " (released float32)", ours, golden->tensor(name.substr(0, end) + ".float32"), 2e-7);
    }
  }
}

TEST_CASE("parity: patch tokens") {
  for (const std::string dimension : {"2d", "3d"}) {
    const auto common = Golden::open("common_" + dimension);
    if (!common) continue;
    for (const auto dtype : kDtypes) {
      Parity parity("common_" + dimension, dtype);
      Vit model = golden_model(*common, NoPositionConfig{}, dtype);
      auto weights = weights_of(model);
      const auto tokens =
          torch::linear(patchify(common->tensor("input", dtype), common->sizes("patch")), weights["patch_embed.weight"], weights["patch_embed.bias"]);
      parity.near("patch_tokens", tokens, common->tensor("patch_tokens"), 2e-5);
    }
  }
}

#define LIERE_MODEL_PARITY(encoding)                                                  \
  TEST_CASE("parity: model " encoding) {                                              \
    for (const std::string dimension : {"2d", "3d"})                                  \
      for (const auto dtype : kDtypes)                                                \
        for (const auto path : kPaths) check_model(encoding, dimension, dtype, path); \
  }
LIERE_MODEL_PARITY("none")
LIERE_MODEL_PARITY("absolute")
LIERE_MODEL_PARITY("rope")
LIERE_MODEL_PARITY("visionllama")
LIERE_MODEL_PARITY("rope_mixed")
LIERE_MODEL_PARITY("liere_b8")
LIERE_MODEL_PARITY("liere_b64")

TEST_CASE("parity: complete gradients of liere_b8") {
  const auto common = Golden::open("common_2d"), golden = Golden::open("model_liere_b8_2d"), complete = Golden::open("gradients_liere_b8_2d");
  if (!common || !golden || !complete) return;
  for (const auto path : kPaths)
    for (const auto dtype : kDtypes) {
      Parity parity(with_path("gradients_liere_b8_2d", path), dtype);
      const Subject subject{*common, *golden, parity, kVariants[1], 2e-5, path};
      Vit model = subject.model();
      train_step(model, subject.input(), common->tensor("labels"));
      for (const auto& [name, weight] : weights_of(model)) {
        const auto expected = complete->tensor("grad." + name);
        // The file is rounded to float32: half a unit in the last place of the largest entry.
        if (parity.exact())
          parity.within(name, weight.grad(), expected, 6e-8 * expected.abs().max().item<double>());
        else
          parity.gradient(name, weight.grad(), expected, expected.norm().item<double>());
      }
    }
}

TEST_CASE("parity: ten steps of Adam") {
  const auto common = Golden::open("common_2d"), golden = Golden::open("model_liere_b8_2d"), steps = Golden::open("optimizer");
  if (!common || !golden || !steps) return;
  for (const auto path : kPaths) {
    Parity parity(with_path("optimizer", path), torch::kDouble);
    const Subject subject{*common, *golden, parity, kVariants[1], 2e-5, path};
    Vit model = subject.model();
    const auto initial = [&] {
      std::map<std::string, torch::Tensor> copy;
      for (const auto& [name, weight] : weights_of(model)) copy[name] = weight.detach().clone();
      return copy;
    }();
    std::map<std::string, torch::Tensor> m, v;
    for (const auto& [name, weight] : initial) m[name] = torch::zeros_like(weight), v[name] = torch::zeros_like(weight);
    const auto inputs = steps->tensor("inputs"), labels = steps->tensor("labels"), rates = steps->tensor("learning_rate");
    std::vector<torch::Tensor> before, after;
    for (int64_t i = 0; i < inputs.size(0); ++i) {
      before.push_back(train_step(model, inputs[i], labels[i]).second.detach());
      const torch::NoGradGuard no_grad;
      const double rate = rates[i].item<double>(), t = static_cast<double>(i + 1);
      for (auto& [name, weight] : weights_of(model)) {
        const auto grad = weight.grad();
        m[name].mul_(0.9).add_(grad, 0.1);
        v[name].mul_(0.999).addcmul_(grad, grad, 0.001);
        weight.sub_(rate / (1 - std::pow(0.9, t)) * m[name] / (v[name].sqrt() / std::sqrt(1 - std::pow(0.999, t)) + 1e-8));
      }
      after.push_back(torch::cross_entropy_loss(evaluate(model, inputs[i]), labels[i]));
    }
    parity.near("loss_before", torch::stack(before), steps->tensor("loss_before"), 0);
    parity.near("loss_after", torch::stack(after), steps->tensor("loss_after"), 0);
    for (const auto& [name, weight] : weights_of(model)) {
      const auto change = weight.detach() - initial.at(name);
      parity.near("final_norm." + name, weight.detach().norm(), steps->tensor("final_norm." + name), 0);
      parity.near("change_norm." + name, change.norm(), steps->tensor("change_norm." + name), 0);
      // A sum of changes may cancel: measured against the norm of what is summed.
      parity.within("change_sum." + name, change.sum(), steps->tensor("change_sum." + name), 1e-9 * change.norm().item<double>());
      if (steps->contains("final." + name)) parity.near("final." + name, weight, steps->tensor("final." + name), 0);
      if (steps->contains("exp_avg." + name)) {
        parity.near("exp_avg." + name, m[name], steps->tensor("exp_avg." + name), 0);
        parity.near("exp_avg_sq." + name, v[name], steps->tensor("exp_avg_sq." + name), 0);
      }
    }
  }
}
