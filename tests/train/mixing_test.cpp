// Mixup and CutMix on tensors, targets and losses, the average of the weights: against goldens of the released code and against their equations.
#include "core/safetensors.h"
#include "core/check.h"
#include "support/catch.h"
#include "support/fixtures.h"
#include "train/ema.h"
#include "train/loss.h"
#include "train/mixing.h"

#include <cstring>
#include <iostream>

using namespace liere;
using namespace liere::test;

namespace {

torch::Tensor read(const safetensors::File& file, const std::string& name, torch::Dtype dtype) {
  const auto& info = file.info(name);
  auto tensor = torch::empty(info.shape, dtype);
  std::memcpy(tensor.data_ptr(), file.data(name).data(), file.data(name).size());
  return tensor;
}

}  // namespace

TEST_CASE("mixup parity: one lambda for the batch, partners B-1-i, as the released code computes it, bit for bit", "[mixup]") {
  const auto path = golden_folder() / "augment_mixup.safetensors";
  if (!std::filesystem::exists(path)) {
    std::cout << "skipped: " << path.string() << " is not there\n";
    return;
  }
  const auto file = safetensors::File::open(path);
  for (const std::string kind : {"mixup", "cutmix"})
    for (const std::string mode : {"batch", "batch3d"}) {
      CAPTURE(kind, mode);
      const bool volume = mode == "batch3d";
      const auto input = read(file, volume ? "in3d" : "in", torch::kFloat32), labels = read(file, volume ? "label3d" : "label", torch::kInt64);
      Mix mix{Mix::Kind::kMixup, read(file, kind + "." + mode + ".lambda", torch::kFloat64)[0].item<double>(), {}};
      if (kind == "cutmix") {
        const auto centre = read(file, kind + "." + mode + ".centre", torch::kInt32)[0], box = read(file, kind + "." + mode + ".box", torch::kInt32)[0];
        mix.kind = Mix::Kind::kCutmix;
        mix.box = cutmix_box(centre[0].item<int64_t>(), centre[1].item<int64_t>(), mix.lambda, input.size(-2), input.size(-1));
        CHECK((mix.box.top == box[0].item<int64_t>() && mix.box.bottom == box[1].item<int64_t>()));
        CHECK((mix.box.left == box[2].item<int64_t>() && mix.box.right == box[3].item<int64_t>()));
        mix.lambda = read(file, kind + "." + mode + ".lambda_corrected", torch::kFloat64)[0].item<double>();
      }
      CHECK(torch::equal(mix_inputs(input, mix, MixPairing::kFlip), read(file, kind + "." + mode + ".out", torch::kFloat32)));
      for (const auto& [name, smoothing] : {std::pair<std::string, double>{"smooth0", 0.0}, {"smooth0.1", 0.1}}) {
        const auto golden = kind + "." + mode + ".target." + name;
        if (!file.contains(golden)) continue;
        CHECK(torch::equal(mixed_targets(labels, 10, smoothing, mix, MixPairing::kFlip, torch::kFloat32), read(file, golden, torch::kFloat32)));
      }
    }
}

TEST_CASE("neighbours are mixed with each other, an odd last row stays, halves of a batch give the same rows", "[mixup]") {
  const auto x = torch::arange(5 * 2 * 4 * 4, torch::kDouble).view({5, 2, 4, 4});
  const Mix mix{Mix::Kind::kMixup, 0.75, {}};
  const auto out = mix_inputs(x, mix, MixPairing::kNeighbour);
  CHECK(torch::equal(out[0], 0.75 * x[0] + 0.25 * x[1]));
  CHECK(torch::equal(out[1], 0.75 * x[1] + 0.25 * x[0]));
  CHECK(torch::equal(out[4], x[4]));
  CHECK(torch::equal(mix_inputs(x.slice(0, 2), mix, MixPairing::kNeighbour), out.slice(0, 2)));
  const Mix cut{Mix::Kind::kCutmix, 1 - 6.0 / 16, {1, 3, 0, 3}};
  const auto pasted = mix_inputs(x, cut, MixPairing::kNeighbour);
  CHECK(torch::equal(pasted[2].slice(1, 1, 3).slice(2, 0, 3), x[3].slice(1, 1, 3).slice(2, 0, 3)));
  CHECK((pasted != x).sum().item<int64_t>() == 4 * 2 * 6);
  const auto labels = torch::tensor({1, 0, 2, 2, 1}, torch::kLong);
  const auto targets = mixed_targets(labels, 3, 0.3, mix, MixPairing::kNeighbour, torch::kDouble);
  CHECK(torch::allclose(targets.sum(1), torch::ones({5}, torch::kDouble)));
  CHECK(targets[0][1].item<double>() == Approx(0.75 * 0.8 + 0.25 * 0.1));
  CHECK(targets[2][2].item<double>() == Approx(0.8));  // the same label twice
  CHECK(targets[4][1].item<double>() == Approx(0.8));
}

TEST_CASE("losses: hard labels, smoothing and soft targets agree, binary cross-entropy follows its equation", "[loss]") {
  torch::manual_seed(3);
  const auto logits = torch::randn({6, 4}, torch::kDouble);
  const auto labels = torch::tensor({0, 3, 1, 1, 2, 0}, torch::kLong);
  for (const double smoothing : {0.0, 0.2}) {
    const LossConfig config{LossKind::kCrossEntropy, smoothing};
    const auto targets = mixed_targets(labels, 4, smoothing, {}, MixPairing::kNeighbour, torch::kDouble);
    const auto expected = -(targets * logits.log_softmax(1)).sum();
    CHECK(loss_sum(config, logits, labels).item<double>() == Approx(expected.item<double>()).epsilon(1e-13));
    CHECK(soft_loss_sum(config, logits, targets).item<double>() == Approx(expected.item<double>()).epsilon(1e-13));
    const LossConfig binary{LossKind::kBinaryCrossEntropy, smoothing};
    const auto s = logits.sigmoid();
    const auto by_hand = -(targets * s.log() + (1 - targets) * (1 - s).log()).mean(1).sum();
    CHECK(loss_sum(binary, logits, labels).item<double>() == Approx(by_hand.item<double>()).epsilon(1e-12));
  }
}

TEST_CASE("several labels a sample: weighted binary cross-entropy, smoothing and mixing follow their equations", "[loss]") {
  torch::manual_seed(4);
  const auto logits = torch::randn({4, 3}, torch::kDouble);
  const auto targets = torch::tensor({1.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 0.0, 1.0, 0.0}, torch::kDouble).view({4, 3});
  LossConfig config{LossKind::kBinaryCrossEntropy, 0, {2.5, 1.0, 0.5}};
  const auto s = logits.sigmoid(), weight = torch::tensor({2.5, 1.0, 0.5}, torch::kDouble);
  const auto by_hand = -(weight * targets * s.log() + (1 - targets) * (1 - s).log()).mean(1).sum();
  CHECK(soft_loss_sum(config, logits, targets).item<double>() == Approx(by_hand.item<double>()).epsilon(1e-12));
  config.pos_weight = {2.5};
  const auto one = -(2.5 * targets * s.log() + (1 - targets) * (1 - s).log()).mean(1).sum();
  CHECK(soft_loss_sum(config, logits, targets).item<double>() == Approx(one.item<double>()).epsilon(1e-12));
  Mix mix;
  mix.kind = Mix::Kind::kMixup;
  mix.lambda = 0.7;
  const auto mixed = mix_targets(targets, mix, MixPairing::kNeighbour);
  CHECK(torch::allclose(mixed[0], 0.7 * targets[0] + 0.3 * targets[1]));
  CHECK(torch::allclose(mixed[3], 0.7 * targets[3] + 0.3 * targets[2]));

  CHECK_NOTHROW(check_loss(config, 3, true));
  config.pos_weight = {1, 2};
  CHECK_THROWS_AS(check_loss(config, 3, true), ConfigError);
  CHECK_THROWS_AS(check_loss({LossKind::kCrossEntropy}, 3, true), ConfigError);
  CHECK_THROWS_AS(check_loss({LossKind::kCrossEntropy, 0, {2.0}}, 3, false), ConfigError);
}

TEST_CASE("the average of the weights follows its equation, with and without warm-up, and weights can be swapped", "[ema]") {
  auto w = torch::ones({3}, torch::kDouble).set_requires_grad(true);
  const Ema::NamedTensors weights = {{"w", w}};
  for (const bool warmup : {false, true}) {
    Ema ema({.decay = 0.9, .warmup = warmup}, weights);
    double expected = 1;
    for (int64_t t = 1; t <= 5; ++t) {
      w.detach().fill_(1 + static_cast<double>(t));
      ema.update(weights, t);
      const double d = warmup ? std::min(0.9, (1.0 + static_cast<double>(t)) / (10 + static_cast<double>(t))) : 0.9;
      expected = d * expected + (1 - d) * (1 + static_cast<double>(t));
      CHECK(ema.state()[0].second[1].item<double>() == Approx(expected).epsilon(1e-14));
    }
    CHECK(ema.state()[0].first == "ema.w");
    {
      SwappedWeights swapped(weights, ema.tensors());
      CHECK(w[0].item<double>() == Approx(expected));
    }
    CHECK(w[0].item<double>() == 6);
    CHECK(w.requires_grad());
    w.detach().fill_(1);
  }
}
