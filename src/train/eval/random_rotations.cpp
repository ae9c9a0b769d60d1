#include "train/eval/random_rotations.h"

#include <numbers>

#include "core/check.h"
#include "core/rng.h"
#include "train/eval/session.h"
#include "train/eval/text.h"

namespace liere {
namespace {

struct ScopeName {
  RandomRotationScope scope;
  const char *key, *title;
};
constexpr ScopeName kScopes[] = {{RandomRotationScope::kPerToken, "per_token", "one per token"}, {RandomRotationScope::kSame, "same", "the same for all tokens"}};

/// [.., b, b] Haar-distributed on O(b), float64.
torch::Tensor random_orthogonal(const std::vector<int64_t>& shape, uint64_t key) {
  auto normal = at::empty(shape, at::kDouble);
  fill_normal(key, normal.mutable_data_ptr<double>(), normal.numel(), 0, 1);
  const auto [q, r] = at::linalg_qr(normal);
  const auto diagonal = r.diagonal(0, -2, -1);
  return q * at::where(diagonal < 0, -at::ones_like(diagonal), at::ones_like(diagonal)).unsqueeze(-2);
}

/// [.., 2] cos and sin of uniform angles, float64. `shape` is that of the angles.
torch::Tensor random_turns(const std::vector<int64_t>& shape, uint64_t key) {
  auto angle = at::empty(shape, at::kDouble);
  fill_uniform(key, angle.mutable_data_ptr<double>(), angle.numel(), 0, 2 * std::numbers::pi);
  return at::stack({angle.cos(), angle.sin()}, -1);
}

}  // namespace

Rotations random_rotations(const Rotations& learned, RandomRotationScope scope, uint64_t seed) {
  if (learned.kind == Rotations::Kind::kNone || (learned.kind == Rotations::Kind::kBlocks && learned.value.size(-1) == 1))
    throw ConfigError("--test random-rotations replaces the rotations of queries and keys, but this model's position encoding rotates nothing. Use it on rope, visionllama, rope_mixed or liere.");
  torch::NoGradGuard no_grad;
  const bool same = scope == RandomRotationScope::kSame;
  Rotations random{learned.kind, at::empty_like(learned.value), {}};
  for (int64_t layer = 0; layer < learned.value.size(0); ++layer) {
    const auto learned_layer = learned.value[layer];  // [N, H|1, K, b, b] or [N, H|1, d/2, 2]
    auto shape = learned_layer.sizes().vec();
    if (same) shape[0] = 1;
    const auto key = stream_key(named_seed(seed, std::string(kScopes[same].key) + ".layer." + std::to_string(layer)), Purpose::kRandomRotation);
    torch::Tensor drawn;
    if (learned.kind == Rotations::Kind::kBlocks) {
      drawn = random_orthogonal(shape, key);
    } else {
      shape.pop_back();
      drawn = random_turns(shape, key);
    }
    drawn = drawn.to(learned_layer.options()).expand(learned_layer.sizes());
    if (learned.kind == Rotations::Kind::kPairs) {
      // Channels that the encoding leaves alone at every token stay alone.
      const auto turned = (learned_layer.select(-1, 1) != 0).any(0, /*keepdim=*/true).unsqueeze(-1);
      drawn = at::where(turned, drawn, learned_layer);
    }
    random.value[layer].copy_(drawn);
  }
  return random;
}

TestOutput random_rotations_test(EvalSession& session) {
  auto& model = session.trained().model;
  const auto learned = model->position().rotations(model->grid(session.config().model.input_size), /*with_gradient=*/false);
  const auto recipe = session.recipe();
  const auto resamples = session.config().eval.resamples;
  (void)random_rotations(learned, RandomRotationScope::kSame, 0);  // refuses before anything is evaluated
  const auto before = outcomes_of(session.predictions().rows);
  TestOutput output;
  output.result = {{"before", scores(before, resamples)}, {"bootstrap", bootstrap_statement(resamples)}};
  for (const auto& [scope, key, title] : kScopes) {
    std::vector<Outcomes> repetitions;
    for (int64_t seed = 0; seed < session.config().eval.shuffle_seeds; ++seed) {
      const auto random = random_rotations(learned, scope, static_cast<uint64_t>(seed));
      auto options = session.options(std::string("random rotations, ") + title + ", seed " + std::to_string(seed));
      options.rotations = &random;
      repetitions.push_back(outcomes_of(session.evaluate_rows(session.test_set(), *recipe, options).rows));
    }
    output.result[key] = repeated_result(before, repetitions, resamples);
  }
  return output;
}

std::string describe_random_rotations(const nlohmann::json& result) {
  const auto& before = result.at("before");
  std::vector<std::vector<std::string>> rows = {
      {"rotations", "seeds", "top-1 %", "95 % interval", "loss", "relative drop %", "95 % interval"},
      {"as trained", "", fixed_text(number_in(before, "top1"), 2), interval_text(before, "top1", 2), fixed_text(number_in(before, "loss"), 4), "", ""}};
  for (const auto& scope : kScopes) rows.push_back(repeated_line(std::string("random, ") + scope.title, result.at(scope.key)));
  return aligned_text(rows);
}

}  // namespace liere
